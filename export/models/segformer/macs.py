"""Multiply-accumulates of a SegFormer, from its architecture and its merge sites alone.

What the network computes as its trainer wrote it: rewrites at export can only lower it.

Source: Xie et al., SegFormer, 2021 (arXiv:2105.15203), section 3.
"""

from collections.abc import Mapping, Sequence
from math import ceil

from segpp.export.models.macs import HeadMacs, Macs, StageMacs, site_match_macs
from segpp.export.models.segformer.architecture import FFN_RATIO, SR_RATIOS, STAGES
from segpp.export.models.segformer.sites import site_grids
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture, ReductionSite
from segpp.ops.grid import Grid, Size

__all__ = ["macs_of"]

_FIRST_KERNEL, _KERNEL = 7, 3
# Key and value for each token of the reduced grid; query and output for each query.
_SIDES = 2


def macs_of(architecture: Architecture, size: Size, reduction: Sequence[ReductionSite]) -> Macs:
    """Count a network's multiply-accumulates for one image of ``size`` with these merge sites."""
    grids = site_grids(size)
    reductions = {Site(site.stage, site.side): site for site in reduction}
    stages = tuple(_stage(architecture, grids, stage, reductions) for stage in range(1, STAGES + 1))
    return Macs(stages, _head(architecture, grids))


def _stage(
    architecture: Architecture,
    grids: Mapping[Site, Grid],
    stage: int,
    reductions: Mapping[Site, ReductionSite],
) -> StageMacs:
    q, kv = reductions.get(Site(stage, "q")), reductions.get(Site(stage, "kv"))
    dim, depth = architecture.dims[stage - 1], architecture.depths[stage - 1]
    tokens, reduced = grids[Site(stage, "q")].tokens, grids[Site(stage, "kv")]
    queries = q.tokens_out if q else tokens
    keys = kv.tokens_out if kv else reduced.tokens
    merged = [site for site in (q, kv) if site]
    return StageMacs(
        patch_embedding=_patch_embedding(architecture, stage, tokens),
        # Each (C, C), on merged tokens.
        projections=depth * _SIDES * (queries + keys) * dim**2,
        # Over all heads together: N x M scores from C channels each, and back.
        products=depth * _SIDES * queries * keys * dim,
        reduction=depth * _tokens_reduced(reduced, SR_RATIOS[stage - 1]) * dim**2,
        # Two linear layers, and the depthwise convolution between them.
        ffn=depth * tokens * dim * FFN_RATIO * (_SIDES * dim + _KERNEL**2),
        matching=sum(
            ceil(depth / site.match_every) * site_match_macs(site, dim) for site in merged
        ),
        merging=depth * sum(site.tokens_in * dim for site in merged),
    )


def _patch_embedding(architecture: Architecture, stage: int, tokens: int) -> int:
    first = stage == 1
    channels = architecture.channels if first else architecture.dims[stage - 2]
    kernel = _FIRST_KERNEL if first else _KERNEL
    return tokens * architecture.dims[stage - 1] * channels * kernel**2


def _tokens_reduced(reduced: Grid, ratio: int) -> int:
    """Return how many tokens the strided convolution reads; the last stage has none."""
    return reduced.tokens * ratio**2 if ratio > 1 else 0


def _head(architecture: Architecture, grids: Mapping[Site, Grid]) -> HeadMacs:
    levels = [grids[Site(stage, "q")] for stage in range(1, STAGES + 1)]
    width, tokens = architecture.decoder, levels[0].tokens
    return HeadMacs(
        projections=sum(
            grid.tokens * dim * width for grid, dim in zip(levels, architecture.dims, strict=True)
        ),
        fuse=tokens * STAGES * width**2,
        classifier=tokens * width * architecture.classes,
    )
