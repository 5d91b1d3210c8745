"""Multiply-accumulates of a plain ViT, from its architecture and its merge sites alone.

What the network computes as its trainer wrote it: rewrites at export can only lower it.

Source: Dosovitskiy et al., 2021 (arXiv:2010.11929), section 3.1.
"""

from collections.abc import Sequence
from dataclasses import replace

from segpp.export.models.macs import HeadMacs, Macs, StageMacs, pooling_macs, site_match_macs
from segpp.export.models.vit.architecture import prefixes, shape_of
from segpp.export.models.vit.sites import patch_grid
from segpp.export.reduction.config import recorded_reduction
from segpp.export.reduction.sharing import SUPERPATCH
from segpp.export.reduction.sites import EMBED
from segpp.manifest import Architecture, PlainViT, ReductionSite
from segpp.ops.grid import Grid, Size

__all__ = ["SETR_UPSAMPLING", "head_values", "macs_of"]

# Key and value for each token that is asked; query and output for each that asks.
_SIDES = 2
# What a transposed convolution makes of a pixel, and a depthwise one looks at, in pixels.
_UPSCALED, _NEIGHBORS = 4, 9
# SETR's naive head makes its map larger by this before the classifier.
SETR_UPSAMPLING = 4


def macs_of(architecture: Architecture, size: Size, reduction: Sequence[ReductionSite]) -> Macs:
    """Count a network's multiply-accumulates for one image of ``size`` with these sites."""
    shape = shape_of(architecture)
    grid = patch_grid(size, shape.patch)
    tokens = patches = grid.tokens
    sharing = [site for site in reduction if site.stage == EMBED]
    # Superpatches are embedded beside the patches.
    embedded = patches + (_superpatches(grid) if sharing else 0)
    stages, restored = list[StageMacs](), None
    blocks = zip(architecture.dims, prefixes(architecture), strict=True)
    for block, (dim, before) in enumerate(blocks, start=1):
        sites = [site for site in reduction if site.stage == block]
        if block == 1 and sharing:
            sites, tokens = [*sharing, *sites], sharing[0].tokens_out
        left = next((site.tokens_out for site in sites if site.side == "tokens"), tokens)
        leaves_by = [by for site in sites if (by := recorded_reduction(site).leaves_by)]
        judging = _auxiliary(architecture, tokens) if "confidence" in leaves_by else 0
        # What left is back before the head.
        restored = restored or (tokens if leaves_by else None)
        tokens = left if leaves_by else tokens
        # The patches are embedded once, before the first block.
        embedding = embedded * dim * architecture.channels * shape.patch**2 if block == 1 else 0
        own = replace(shape, prefix=before)
        stages.append(replace(_block(dim, (tokens, left), own, sites, embedding), gating=judging))
        tokens = left
    if architecture.head == "mask-classification":
        return Macs(tuple(stages), _masks(architecture, shape, patches))
    # A head that looks at neighbours gets restored tokens.
    by_neighbours = architecture.head in {"setr-naive", "setr-pup"}
    seen = patches if by_neighbours else restored or tokens
    return Macs(tuple(stages), _head(architecture, shape, seen))


def _superpatches(grid: Grid) -> int:
    return (grid.height // SUPERPATCH) * (grid.width // SUPERPATCH)


def _block(
    dim: int,
    tokens: tuple[int, int],
    shape: PlainViT,
    sites: Sequence[ReductionSite],
    embedding: int,
) -> StageMacs:
    """Count a block at whose attention and feed-forward part so many patches arrive."""
    left = {site.side: site.tokens_out for site in sites}
    queries = shape.prefix + left.get("q", tokens[0])
    keys = shape.prefix + left.get("kv", tokens[0])
    return StageMacs(
        patch_embedding=embedding,
        projections=_SIDES * (queries + keys) * dim**2,
        # Over all heads together: scores from C channels each, and back.
        products=_SIDES * queries * keys * dim,
        reduction=0,
        ffn=_ffn(shape.prefix + tokens[1], dim, shape),
        matching=sum(site_match_macs(site, dim) for site in _deciding(sites)),
        merging=sum(pooling_macs(s, dim) or s.tokens_in * dim for s in _deciding(sites)),
    )


def _auxiliary(architecture: Architecture, tokens: int) -> int:
    """Count an auxiliary head, which sees each token alone."""
    width = shape_of(architecture).exit_channels
    return tokens * width * (architecture.dims[-1] + architecture.classes)


def _deciding(sites: Sequence[ReductionSite]) -> Sequence[ReductionSite]:
    """Return the sites without keys that merge as their queries: the file does it once."""
    queries = [(site.method, site.settings) for site in sites if site.side == "q"]
    return [s for s in sites if s.side != "kv" or (s.method, s.settings) not in queries]


def _ffn(tokens: int, dim: int, shape: PlainViT) -> int:
    layers = 3 if shape.ffn == "swiglu" else 2
    return tokens * layers * dim * shape.hidden


def _head(architecture: Architecture, shape: PlainViT, tokens: int) -> HeadMacs:
    dim, width, classes = architecture.dims[-1], architecture.decoder, architecture.classes
    if architecture.head == "setr-naive":
        return HeadMacs(tokens * dim * width, 0, tokens * SETR_UPSAMPLING**2 * width * classes)
    if architecture.head == "setr-pup":
        # Pixels of the map before each upsampling, of which the first has the tokens' channels.
        maps = [tokens << 2 * level for level in range(shape.upscalings + 1)]
        inner = [dim, *[width] * shape.upscalings]
        fuse = sum(size * own * width for size, own in zip(maps[:-1], inner, strict=False))
        return HeadMacs(0, _NEIGHBORS * fuse, maps[-1] * width * classes)
    if architecture.head != "mask-transformer":
        return HeadMacs(0, 0, tokens * dim * classes)
    both, hidden = tokens + classes, shape.hidden * width // dim
    block = both * (4 * width**2 + 2 * width * hidden) + 2 * both**2 * width
    return HeadMacs(
        projections=tokens * dim * width,
        # The blocks, and the last projections of patches and classes.
        fuse=shape.head_blocks * block + both * width**2,
        classifier=tokens * width * classes,
    )


def _masks(architecture: Architecture, shape: PlainViT, tokens: int) -> HeadMacs:
    """Count a head of mask classification, which gets restored tokens."""
    dim, classes, queries = architecture.dims[-1], architecture.classes, shape.queries
    # Pixels of the map before each upscaling and behind the last.
    maps = [tokens << 2 * level for level in range(shape.upscalings + 1)]
    return HeadMacs(
        # Three layers for the mask of a query, and one for its class or none.
        projections=queries * (3 * dim**2 + dim * (classes + 1)),
        fuse=sum(_UPSCALED * (size * dim**2 + size * dim * _NEIGHBORS) for size in maps[:-1]),
        # A mask's logits on the finest map, and sums over queries at each pixel.
        classifier=queries * (maps[-1] * dim + tokens * shape.patch**2 * classes),
    )


def head_values(architecture: Architecture, size: Size) -> int:
    """Return how many numbers the largest feature map or score matrix of the head has."""
    shape = shape_of(architecture)
    grid = patch_grid(size, shape.patch)
    tokens, classes = grid.tokens, architecture.classes
    if architecture.head == "setr-naive":
        return tokens * SETR_UPSAMPLING**2 * max(architecture.decoder, classes)
    if architecture.head == "setr-pup":
        return (tokens << 2 * shape.upscalings) * max(architecture.decoder, classes)
    if architecture.head == "mask-classification":
        finest = (tokens << 2 * shape.upscalings) * architecture.dims[-1]
        return max(tokens * shape.patch**2 * max(shape.queries, classes), finest)
    scores = architecture.heads[-1] * (tokens + classes) ** 2 if shape.head_blocks else 0
    padded = (grid.height * shape.patch, grid.width * shape.patch)
    resized = classes * padded[0] * padded[1] if padded != size else 0
    return max(tokens * max(architecture.decoder, classes), scores, resized)
