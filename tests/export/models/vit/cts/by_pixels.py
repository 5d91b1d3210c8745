"""CTS as released: pixels of patches and halved superpatches, by masks; an oracle in plain torch.

Written from the paper (Lu et al., 2023, arXiv:2306.02095, section 3) and the facts of its release:
the superpatches with the highest probability of one class are halved bilinearly before they are cut
into patches, positions likewise, and what a superpatch became is copied to its four patches behind
the decoder. The policy is timm's ``efficientnet_lite0``. One image at a time. No code of the
package.
"""

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.export.models.vit.references import Reference, segmenter_state

__all__ = ["Policy", "cts", "cts_state", "policy_of"]


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


def cts(network: Reference, scores: Tensor, image: Tensor, shared: int) -> Tensor:
    """Return logits (1, K, h, w); scores are (h // 2, w // 2) of superpatches."""
    encoder, patch = network.encoder, network.config.patch
    height, width = image.shape[2:]
    image = F.pad(image, (0, -width % patch, 0, -height % patch))
    rows, columns = image.shape[2] // patch, image.shape[3] // patch
    # 1. Which superpatches share, and which patches do not.
    chosen = torch.zeros(scores.numel(), dtype=torch.bool)
    chosen[scores.flatten().topk(shared).indices] = True
    chosen = chosen.reshape(scores.shape)
    alone = torch.ones(rows, columns, dtype=torch.bool)
    in_shared = chosen.repeat_interleave(2, 0).repeat_interleave(2, 1)
    alone[: in_shared.shape[0], : in_shared.shape[1]] = ~in_shared
    # 2. Their pixels, cut out and embedded one by one.
    half = F.interpolate(image[:, :, : image.shape[2] // 2 * 2], scale_factor=0.5, mode="bilinear")
    pixels = torch.cat([_cut(image, patch, alone), _cut(half, patch, chosen)])
    x = encoder.patch_embed.proj(pixels).flatten(1)[None]
    # 3. Positions, treated the same.
    first = encoder.num_prefix_tokens
    positions = network._positions(first, torch.Size((rows, columns)))
    of_grid = positions[:, first:].transpose(1, 2).reshape(1, -1, rows, columns)
    of_half = F.interpolate(of_grid, scale_factor=0.5, mode="bilinear")
    of_grid, of_half = of_grid[0].permute(1, 2, 0), of_half[0].permute(1, 2, 0)
    cells = of_half[: chosen.shape[0], : chosen.shape[1]]
    x = x + torch.cat([of_grid[alone], cells[chosen]])[None]
    tokens = [encoder.cls_token, *([encoder.dist_token] if network.config.distilled else [])]
    x = torch.cat([torch.cat(tokens, 1) + positions[:, :first], x], 1)
    for block in encoder.blocks:
        x = block(x)
    count = x.shape[1] - first
    logits = network.decoder(encoder.norm(x)[:, first:], torch.Size((1, count)))[0, :, 0]
    # 4. Back to the grid.
    restored = torch.empty(len(logits), rows, columns)
    restored[:, alone] = logits[:, : int(alone.sum())]
    for number, (r, c) in enumerate(chosen.nonzero().tolist()):
        value = logits[:, int(alone.sum()) + number, None, None]
        restored[:, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2] = value
    out = restored[None]
    if network.config.crops and image.shape[2:] != (height, width):
        out = F.interpolate(out, image.shape[2:], mode="bilinear")[:, :, :height, :width]
    return out


def _cut(image: Tensor, patch: int, where: Tensor) -> Tensor:
    """Return the pixels of the patches that are marked, (P, 3, patch, patch), in raster order."""
    places = where.nonzero().tolist()
    cut = [image[0, :, r * patch : (r + 1) * patch, c * patch : (c + 1) * patch] for r, c in places]
    return torch.stack(cut)
