"""What distinguishes one plain ViT from another: sizes, heads, and numerics with the same sizes.

Every block is a stage of its own in ``Architecture``: what merges is chosen block by block.

Source: Dosovitskiy et al., An Image is Worth 16x16 Words, 2021 (arXiv:2010.11929), table 1; the
smaller sizes of Touvron et al., DeiT, 2021 (arXiv:2012.12877), table 1.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from segpp.errors import CheckpointError
from segpp.manifest import Architecture, PlainViT

__all__ = [
    "FFN_RATIO",
    "HEADS",
    "HEAD_CHANNELS",
    "LARGE",
    "MAX_BLOCKS",
    "PATCHES",
    "Ffn",
    "Filling",
    "Head",
    "Numerics",
    "PositionResize",
    "check_heads",
    "exit_blocks",
    "prefixes",
    "shape_of",
    "usual_heads",
    "vit",
]

# ``linear``: one layer on each token, as of Segmenter (Strudel et al., 2021, arXiv:2105.05633) and
# mmsegmentation's FCN head without convolutions; ``bn-linear``: BatchNorm before it, as DINOv2's
# (Oquab et al., 2023, arXiv:2304.07193, section 7.4); ``mask-transformer``: Segmenter's;
# ``setr-naive``: two convolutions around an upsampling (Zheng et al., SETR, 2021, arXiv:2012.15840,
# section 3.3); ``setr-pup``: a convolution before each of several (likewise);
# ``mask-classification``: a class and a mask of each query, as of EoMT (Kerssies et
# al., 2025, arXiv:2503.19108, section 3).
Head = Literal[
    "linear", "bn-linear", "mask-transformer", "setr-naive", "setr-pup", "mask-classification"
]
HEADS: tuple[Head, ...] = get_args(Head)

# What lies between the layers of a feed-forward part.
Ffn = Literal["gelu", "swiglu"]

# How positions are brought to another grid: ``bicubic-offset`` with a tenth of a patch more on
# either side, ``bicubic-antialias`` with a wider filter where the grid is smaller.
PositionResize = Literal["bilinear", "bicubic", "bicubic-offset", "bicubic-antialias"]
# What becomes of a size that is no multiple of the patch: zeros at the bottom and at the right, or
# as many on the other sides, or it is ``refused``, since pixels would be dropped.
Filling = Literal["end", "around", "refused"]

# Sides of patches that published networks have, the finest first.
PATCHES = (8, 14, 16, 32)
# More than any published network has; a site of more is none.
MAX_BLOCKS = 48
# Where the places of reductions in published networks change.
LARGE = 24
# Hidden channels of the feed-forward part, as a multiple of the block's.
FFN_RATIO = 4
# Channels of an attention head in every published network.
HEAD_CHANNELS = 64

# More than any published network has.
_MOST_QUERIES, _MOST_UP, _MOST_CHANNELS = 4096, 6, 65536

_SIZES = {(192, 12): "ti", (384, 12): "s", (768, 12): "b", (1024, 24): "l", (1280, 32): "h"}


@dataclass(frozen=True)
class Numerics:
    """What the same weights are computed with, which differs from codebase to codebase.

    Attributes:
        norm_eps: LayerNorms of the encoder.
        head_norm_eps: LayerNorms of the head.
        position_resize: How positions are brought to another grid than they were trained on.
        crops_padding: Whether the zeros that fill the last patches are cut off the masks again;
            otherwise masks are stretched over the image alone.
        align_corners: How the logits are meant to be resized to the image.
        batch_norm_eps: BatchNorm in the head.
        filling: What becomes of a size that is no multiple of the patch.
    """

    norm_eps: float
    head_norm_eps: float
    position_resize: PositionResize
    crops_padding: bool = False
    align_corners: bool = False
    batch_norm_eps: float = 1e-5
    filling: Filling = "end"


def shape_of(architecture: Architecture) -> PlainViT:
    """Return what only a plain ViT has.

    Raises:
        CheckpointError: It is a network of another kind, as an edited manifest may say.
    """
    shape = architecture.vit
    if shape is None or min(shape.patch, *architecture.depths) < 1:
        raise CheckpointError(f"{architecture.name} does not say what its patches are")
    bounds = {"queries": (shape.queries, _MOST_QUERIES), "upscalings": (shape.upscalings, _MOST_UP)}
    bounds["query_blocks"] = shape.query_blocks, len(architecture.depths)
    bounds["exits"] = max(shape.exits, default=0), len(architecture.depths)
    bounds["exit_channels"] = shape.exit_channels, _MOST_CHANNELS
    for name, (value, most) in bounds.items():
        if not 0 <= value <= most:
            raise CheckpointError(f"{architecture.name} has {name} of {value}", f"0 to {most}")
    return shape


def prefixes(architecture: Architecture) -> tuple[int, ...]:
    """Return how many tokens stand before the patches in each block: where they pass, queries too.

    Raises:
        CheckpointError: As ``shape_of``.
    """
    shape, blocks = shape_of(architecture), len(architecture.depths)
    first = blocks - shape.query_blocks
    return tuple(shape.prefix + (shape.queries if block >= first else 0) for block in range(blocks))


def exit_blocks(depth: int) -> tuple[int, ...]:
    """Return before which three blocks, counted from 1, tokens leave: 3, 6, 9 of 12.

    Source: Liu et al., DoViT, 2024 (arXiv:2308.01944), whose 24 blocks have 7, 13 and 19.
    """
    first = 1 if depth >= LARGE else 0
    return tuple(part * depth // 4 + first for part in (1, 2, 3))


def check_heads(heads: tuple[int, ...]) -> None:
    """Raise CheckpointError unless this is one positive number, of every block."""
    if len(heads) != 1 or min(heads) < 1:
        given = ",".join(map(str, heads))
        raise CheckpointError(f"--heads {given}", "expected: one whole number for all blocks, as 6")


def usual_heads(dim: int) -> int | None:
    """Return the attention heads that published networks of a width have; None of other widths."""
    return None if dim % HEAD_CHANNELS else dim // HEAD_CHANNELS


def vit(
    *,
    dim: int,
    depth: int,
    heads: int,
    patch: int,
    prefix: int,
    hidden: int,
    ffn: Ffn,
    head: Head,
    decoder: int,
    head_blocks: int,
    classes: int,
    channels: int,
    queries: int = 0,
    query_blocks: int = 0,
    upscalings: int = 0,
    rope_theta: float = 0.0,
    policy: tuple[int, int] | None = None,
    exits: tuple[int, ...] = (),
    exit_channels: int = 0,
) -> Architecture:
    """Return an architecture whose blocks are all alike; the arguments are its attributes."""
    size = _SIZES.get((dim, depth))
    return Architecture(
        name=f"vit-{size}{patch}" if size else "vit-custom",
        dims=(dim,) * depth,
        depths=(1,) * depth,
        heads=(heads,) * depth,
        head=head,
        decoder=decoder,
        classes=classes,
        channels=channels,
        vit=PlainViT(
            patch=patch,
            prefix=prefix,
            hidden=hidden,
            ffn=ffn,
            head_blocks=head_blocks,
            queries=queries,
            query_blocks=query_blocks,
            upscalings=upscalings,
            rope_theta=rope_theta,
            policy=policy,
            exits=exits,
            exit_channels=exit_channels,
        ),
    )
