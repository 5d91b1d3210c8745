"""DoViT as released, in which thresholds decide how many tokens leave: an oracle in plain torch.

Written from the paper (Liu et al., 2024, arXiv:2308.01944, section 3) and the facts of its release:
before some blocks an auxiliary head looks at the whole sequence, and tokens of which it is surer
than a threshold leave for good. Where more than a tenth left, the class token becomes the mean of
itself and the mean of all of these. Blocks run on the others alone, and what left stays in its
place as it was; the norm and the decoder see everything. One image at a time. No code of the
package.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.export.models.vit.checkpoints import save_mmsegmentation
from tests.export.models.vit.references import Reference, mmsegmentation_state

__all__ = [
    "Auxiliary",
    "Outcome",
    "auxiliaries",
    "by_change",
    "dovit_state",
    "dynamic_dovit",
    "save_dovit",
]

WIDTH = 24

# From the number of a decision, what stood in front of the block before and what arrives, (N, C)
# each, to how sure each of the patches is, (N,).
Judge = Callable[[int, Tensor, Tensor], Tensor]


class Auxiliary(nn.Module):
    """Logits of each patch, as mmsegmentation's FCN head or SETR's without its upsampling."""

    def __init__(self, dim: int, classes: int, *, is_setr: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=1e-6) if is_setr else None
        self.conv = nn.Conv2d(dim, WIDTH, 1, bias=False)
        self.bn = nn.BatchNorm2d(WIDTH)
        self.conv_seg = nn.Conv2d(WIDTH, classes, 1)

    def forward(self, patches: Tensor) -> Tensor:
        x = patches if self.norm is None else self.norm(patches)
        image = x.T[None, :, :, None]
        logits: Tensor = self.conv_seg(F.relu(self.bn(self.conv(image))))[0, :, :, 0].T
        return logits

    def state(self) -> dict[str, Tensor]:
        first = "convs.0" if self.norm is None else "up_convs.0.0"
        renamed = {name: name for name in self.state_dict()}
        for name in renamed:
            if name.startswith(("conv.", "bn.")):
                renamed[name] = f"{first}.{name}"
        return {renamed[name]: tensor.clone() for name, tensor in self.state_dict().items()}


def auxiliaries(network: Reference, seed: int = 5) -> list[Auxiliary]:
    """Return three heads in which nothing is trivial, and which are sure of some patches."""
    draw = torch.Generator().manual_seed(seed)
    config = network.config
    made = [
        Auxiliary(config.dim, config.classes, is_setr=config.head == "setr").eval()
        for _ in range(3)
    ]
    for head in made:
        for name, tensor in head.state_dict().items():
            if tensor.is_floating_point():
                drawn = torch.randn(tensor.shape, generator=draw)
                positive = name in {"norm.weight", "bn.weight", "bn.running_var"}
                tensor.copy_(drawn.abs() * 0.2 + 0.8 if positive else drawn * 0.3)
        head.requires_grad_(requires_grad=False)
    return made


def dovit_state(network: Reference, heads: Sequence[Auxiliary]) -> dict[str, Tensor]:
    """Return the state dict as DoViT's code names it."""
    state = {}
    for name, tensor in mmsegmentation_state(network).items():
        ours = name
        if name.startswith("backbone.layers."):
            ours = name.replace("attn.attn.in_proj_", "attn.qkv.")
            ours = ours.replace("attn.attn.out_proj", "attn.proj")
        state[ours] = tensor
    for number, head in enumerate(heads):
        for name, tensor in head.state().items():
            state[f"backbone.auxiliary_head.{number}.{name}"] = tensor
    return state


def save_dovit(path: Path, network: Reference, heads: Sequence[Auxiliary]) -> Path:
    """Write a checkpoint with its training configuration inside."""
    changes = {"out_indices=(0, 1)": f"out_indices=(0, {network.config.depth - 1})"}
    return save_mmsegmentation(path, network, state=dovit_state(network, heads), **changes)


def by_change(_: int, before: Tensor, patches: Tensor) -> Tensor:
    """Judge by the cosine of what a patch was and what it is."""
    return F.cosine_similarity(before, patches, dim=1)


@dataclass
class Outcome:
    """Logits (1, K, h, w), how many tokens left before each block, and how sure each patch was."""

    logits: Tensor
    left: list[int] = field(default_factory=list)
    sure: list[Tensor] = field(default_factory=list)


def dynamic_dovit(
    network: Reference,
    image: Tensor,
    thresholds: Mapping[int, float],
    judge: Judge,
    *,
    tells_class: bool = True,
) -> Outcome:
    """Run a network with a class token; thresholds are by the block that they stand before."""
    encoder = network.encoder
    x = encoder.patch_embed.proj(image)
    grid = x.shape[2:]
    x = torch.cat([encoder.cls_token, x.flatten(2).transpose(1, 2)], 1)
    x = (x + network._positions(1, grid))[0]
    stays, before, outcome = torch.ones(len(x), dtype=torch.bool), x, Outcome(torch.empty(0))
    for number, block in enumerate(encoder.blocks, start=1):
        if number in thresholds:
            sure = judge(len(outcome.left), before[1:], x[1:])
            outcome.sure.append(sure[stays[1:]])
            still = stays.clone()
            still[1:] &= ~(sure > thresholds[number])
            outcome.left.append(int(stays.sum() - still.sum()))
            stays = still
            if tells_class and int((~stays).sum()) > 0.1 * len(x):
                x = torch.cat([(x[:1] + x[~stays].mean(0)) / 2, x[1:]])
        before, x = x, x.clone()
        x[stays] = block(x[stays][None])[0]
    outcome.logits = network.decoder(encoder.norm(x[None])[:, 1:], grid)
    return outcome
