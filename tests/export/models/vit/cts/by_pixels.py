"""CTS as released: pixels of patches and halved superpatches, by masks; an oracle in plain torch.

Written from the paper (Lu et al., 2023, arXiv:2306.02095, section 3) and the facts of its release:
the superpatches with the highest probability of one class are halved bilinearly before they are cut
into patches, positions likewise, and what a superpatch became is copied to its four patches behind
the decoder. The policy is timm's ``efficientnet_lite0``. One image at a time. No code of the
package.
"""

from dataclasses import dataclass

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.export.models.vit.references import Reference, segmenter_state

__all__ = ["Policy", "Shared", "cts", "cts_state", "policy_of", "shared_tokens"]


class Policy(nn.Module):
    """An image to the probability that each superpatch is of one class, (B, H / 32, W / 32)."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = timm.create_model("efficientnet_lite0", features_only=True)
        self.head = nn.Conv2d(320, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.backbone(image)[-1]).softmax(1)[:, 1]


def policy_of(seed: int = 0) -> Policy:
    """Return a policy in which no weight, bias or statistic is trivial."""
    draw, policy = torch.Generator().manual_seed(seed), Policy().eval()
    policy.requires_grad_(requires_grad=False)
    for name, tensor in [*policy.named_parameters(), *policy.named_buffers()]:
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=draw)
            positive = name.endswith("running_var") or (tensor.ndim == 1 and "weight" in name)
            if positive:
                tensor.copy_(drawn.abs() * 0.2 + 0.8)
            else:
                tensor.copy_(drawn * (0.2 if tensor.ndim == 1 else (2 / tensor[0].numel()) ** 0.5))
    return policy


def cts_state(network: Reference, policy: Policy) -> dict[str, Tensor]:
    """Return the state dict as CTS names it: Segmenter's, and the policy's."""
    own = {f"policy_net.{name}": tensor.clone() for name, tensor in policy.state_dict().items()}
    return {**segmenter_state(network), **own}


@dataclass
class Shared:
    """Tokens (1, P + M, C) of which some stand for a superpatch.

    Which superpatches (h // 2, w // 2) and which patches (h, w) these are stands beside them.
    """

    tokens: Tensor
    chosen: Tensor
    alone: Tensor

    def restored(self, x: Tensor) -> Tensor:
        """Give each patch what its token has: x (M, K) to (1, K, h, w)."""
        count = int(self.alone.sum())
        out = x.new_empty(*self.alone.shape, x.shape[1])
        out[self.alone] = x[:count]
        for number, (r, c) in enumerate(self.chosen.nonzero().tolist(), start=count):
            out[2 * r : 2 * r + 2, 2 * c : 2 * c + 2] = x[number]
        return out.permute(2, 0, 1)[None]

    def patches(self) -> list[list[int]]:
        """Return which patches each of the M tokens stands for."""
        numbers = torch.arange(self.alone.numel()).reshape(self.alone.shape)
        cells = self.chosen.nonzero().tolist()
        shared = [
            numbers[2 * r : 2 * r + 2, 2 * c : 2 * c + 2].flatten().tolist() for r, c in cells
        ]
        return [[p] for p in numbers[self.alone].tolist()] + shared


def shared_tokens(network: Reference, scores: Tensor, image: Tensor, shared: int) -> Shared:
    """Return the tokens before the first block; scores (h // 2, w // 2) are of superpatches."""
    encoder, patch = network.encoder, network.config.patch
    image = F.pad(image, (0, -image.shape[3] % patch, 0, -image.shape[2] % patch))
    rows, columns = image.shape[2] // patch, image.shape[3] // patch
    # 1. Which superpatches share, and which patches do not.
    chosen = torch.zeros(scores.numel(), dtype=torch.bool)
    chosen[scores.flatten().topk(shared).indices] = True
    chosen = chosen.reshape(scores.shape)
    alone = torch.ones(rows, columns, dtype=torch.bool)
    in_shared = chosen.repeat_interleave(2, 0).repeat_interleave(2, 1)
    alone[: in_shared.shape[0], : in_shared.shape[1]] = ~in_shared
    # 2. Their pixels, cut out and embedded one by one.
    half = F.interpolate(image, scale_factor=0.5, mode="bilinear", align_corners=False)
    pixels = torch.cat([_cut(image, patch, alone), _cut(half, patch, chosen)])
    x = encoder.patch_embed.proj(pixels).flatten(1)
    # 3. Positions, treated the same.
    first = encoder.num_prefix_tokens
    positions = network._positions(first, torch.Size((rows, columns)))
    of_grid = positions[:, first:].transpose(1, 2).reshape(1, -1, rows, columns)
    even = of_grid[:, :, : rows // 2 * 2, : columns // 2 * 2]
    of_half = F.interpolate(even, scale_factor=0.5, mode="bilinear", align_corners=False)
    x = x + torch.cat([of_grid[0][:, alone].T, of_half[0][:, chosen].T])
    tokens = [encoder.cls_token, *([encoder.dist_token] if network.config.distilled else [])]
    before = torch.cat(tokens, 1) + positions[:, :first]
    return Shared(torch.cat([before, x[None]], 1), chosen, alone)


def cts(network: Reference, scores: Tensor, image: Tensor, shared: int) -> Tensor:
    """Return logits (1, K, h, w), scores as for ``shared_tokens``."""
    found = shared_tokens(network, scores, image, shared)
    x = found.tokens
    for block in network.encoder.blocks:
        x = block(x)
    x = network.encoder.norm(x)[:, network.encoder.num_prefix_tokens :]
    if network.config.head == "setr":
        grid = found.restored(x[0])
        return network.decoder(grid.flatten(2).transpose(1, 2), grid.shape[2:])
    logits = network.decoder(x, torch.Size((1, x.shape[1])))[0, :, 0]
    return _uncut(network, found.restored(logits.T), image)


def _uncut(network: Reference, logits: Tensor, image: Tensor) -> Tensor:
    """Return logits without what lies on the zeros beside an image."""
    (height, width), patch = image.shape[2:], network.config.patch
    padded = (logits.shape[2] * patch, logits.shape[3] * patch)
    if not network.config.crops or padded == (height, width):
        return logits
    return F.interpolate(logits, padded, mode="bilinear")[:, :, :height, :width]


def _cut(image: Tensor, patch: int, where: Tensor) -> Tensor:
    """Return the pixels of the patches that are marked, (P, 3, patch, patch), in raster order."""
    places = where.nonzero().tolist()
    cut = [image[0, :, r * patch : (r + 1) * patch, c * patch : (c + 1) * patch] for r, c in places]
    return torch.stack(cut)
