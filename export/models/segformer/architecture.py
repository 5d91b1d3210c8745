"""What distinguishes one SegFormer from another: sizes, and numerics with the same sizes.

Source: Xie et al., SegFormer, 2021 (arXiv:2105.15203), table 6.
"""

from dataclasses import dataclass
from typing import Literal

from segpp.errors import CheckpointError
from segpp.export.reduction.gates.places import Channels, Place
from segpp.manifest import Architecture

__all__ = [
    "FFN_RATIO",
    "HEADS",
    "SIZES",
    "SR_RATIOS",
    "STAGES",
    "STRIDES",
    "Numerics",
    "channels_of",
    "check_heads",
    "segformer",
    "size_name",
]

STAGES = 4

# Side of a stage's tokens in pixels.
STRIDES = (4, 8, 16, 32)

# Kernel side of each stage's spatial reduction of keys and values: one per 32 x 32 pixels.
SR_RATIOS = (8, 4, 2, 1)

# Hidden channels of the feed-forward part, as a multiple of the stage's.
FFN_RATIO = 4

# Heads per stage, the same for every size; not recoverable from a checkpoint's shapes.
HEADS = (1, 2, 5, 8)

SIZES = {
    "b0": ((32, 64, 160, 256), (2, 2, 2, 2)),
    "b1": ((64, 128, 320, 512), (2, 2, 2, 2)),
    "b2": ((64, 128, 320, 512), (3, 4, 6, 3)),
    "b3": ((64, 128, 320, 512), (3, 4, 18, 3)),
    "b4": ((64, 128, 320, 512), (3, 8, 27, 3)),
    "b5": ((64, 128, 320, 512), (3, 6, 40, 3)),
}


@dataclass(frozen=True)
class Numerics:
    """What the same weights are computed with, which differs from codebase to codebase.

    Attributes:
        patch_norm_eps: LayerNorm after each patch embedding.
        block_norm_eps: The two LayerNorms of a block.
        reduce_norm_eps: LayerNorm after the spatial reduction of keys and values.
        stage_norm_eps: LayerNorm at the end of a stage.
        gelu: Exact (``none``) or ``tanh``, as ``torch.nn.functional.gelu`` calls them.
        batch_norm_eps: BatchNorm in the head.
        align_corners: How the logits are meant to be resized to the image.
        head_align_corners: How the head resizes the deeper levels.
    """

    patch_norm_eps: float
    block_norm_eps: float
    reduce_norm_eps: float
    stage_norm_eps: float
    gelu: Literal["none", "tanh"] = "none"
    batch_norm_eps: float = 1e-5
    align_corners: bool = False
    head_align_corners: bool = False


def check_heads(heads: tuple[int, ...]) -> None:
    """Raise CheckpointError unless these are a positive number for every stage."""
    if len(heads) != STAGES or min(heads) < 1:
        given, usual = (",".join(map(str, numbers)) for numbers in (heads, HEADS))
        raise CheckpointError(f"--heads {given}", f"expected: {STAGES} whole numbers, as {usual}")


def size_name(dims: tuple[int, ...], depths: tuple[int, ...]) -> str:
    """Return ``segformer-b0`` … ``segformer-b5``, or ``segformer-custom``."""
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], str] = {
        shape: name for name, shape in SIZES.items()
    }
    return f"segformer-{known.get((dims, depths), 'custom')}"


def segformer(
    size: str,
    *,
    classes: int,
    head: Literal["linear", "conv-bn"] = "conv-bn",
    decoder: int = 256,
    channels: int = 3,
) -> Architecture:
    """Return the architecture of one of the published sizes, ``b0`` to ``b5``.

    Args:
        size: A key of ``SIZES``.
        classes: K, of the logits.
        head: ``linear`` (a biased projection per level) or ``conv-bn`` (mmsegmentation's:
            projection, BatchNorm, ReLU). They are two networks, not two spellings.
        decoder: Channels of the head; 768 in NVlabs-type checkpoints from B2 on.
        channels: Of the image.
    """
    dims, depths = SIZES[size]
    return Architecture(
        name=f"segformer-{size}",
        dims=dims,
        depths=depths,
        heads=HEADS,
        head=head,
        decoder=decoder,
        classes=classes,
        channels=channels,
    )


def channels_of(architecture: Architecture) -> dict[Place, Channels]:
    """Return how many channels there are at each place for a gate."""
    found: dict[Place, Channels] = {}
    for stage, (dim, heads) in enumerate(
        zip(architecture.dims, architecture.heads, strict=True), start=1
    ):
        found[Place(stage, "hidden")] = Channels(dim * FFN_RATIO, 1)
        found[Place(stage, "qkv")] = Channels(dim, heads)
    return found
