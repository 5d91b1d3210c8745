"""Multiply-accumulates of a SegFormer, from its architecture and its merge sites alone.

What the network computes as its trainer wrote it: rewrites at export can only lower it.

Source: Xie et al., SegFormer, 2021 (arXiv:2105.15203), section 3.
"""

from collections.abc import Sequence

from segpp.export.models._common.block_tokens import block_tokens
from segpp.export.models.macs import HeadMacs, Macs, StageMacs, pooling_macs, site_match_macs
from segpp.export.models.segformer.architecture import FFN_RATIO, SR_RATIOS, STAGES
from segpp.export.models.segformer.sites import site_grids, stage_grids
from segpp.export.reduction.gates.methods.dynamic import DynamicGate
from segpp.export.reduction.sites import HEAD, Site
from segpp.manifest import Architecture, ChannelSite, ReductionSite
from segpp.ops.grid import Grid, Size

__all__ = ["macs_of"]

_FIRST_KERNEL, _KERNEL = 7, 3
# Key and value for each token of the reduced grid; query and output for each query.
_SIDES = 2


def macs_of(
    architecture: Architecture,
    size: Size,
    reduction: Sequence[ReductionSite],
    channels: Sequence[ChannelSite] = (),
) -> Macs:
    """Count a network's multiply-accumulates for one image of ``size`` with these sites."""
    stages = tuple(
        _stage(architecture, size, reduction, channels, stage) for stage in range(1, STAGES + 1)
    )
    return Macs(stages, _head(architecture, size, reduction))


def _stage(
    architecture: Architecture,
    size: Size,
    reduction: Sequence[ReductionSite],
    channels: Sequence[ChannelSite],
    stage: int,
) -> StageMacs:
    dim, ratio = architecture.dims[stage - 1], SR_RATIOS[stage - 1]
    parts = block_tokens(site_grids, architecture.depths[stage - 1], size, reduction, stage)
    at = {one.part: one for one in channels if one.stage == stage}
    hidden = at["hidden"].channels_out if "hidden" in at else dim * FFN_RATIO
    inner = at["qkv"].channels_out if "qkv" in at else dim
    smaller = _site(Site(stage, "grid"), reduction)
    # The first part is the one on a smaller grid, if there is one.
    times = len(parts[0].runs)
    return StageMacs(
        patch_embedding=_patch_embedding(architecture, stage, stage_grids(size)[stage - 1].tokens),
        # Each (C, C), or to and from as many channels as a gate leaves, on merged tokens.
        projections=sum(p.blocks * _SIDES * (p.queries + p.keys) * dim * inner for p in parts),
        # Over all heads together: N x M scores from C channels each, and back.
        products=sum(p.blocks * _SIDES * p.queries * p.keys * inner for p in parts),
        reduction=sum(p.blocks * _tokens_reduced(p.context, ratio) * dim**2 for p in parts),
        # Two linear layers, and the depthwise convolution between them.
        ffn=sum(p.blocks * _ffn(p.ffn_rows, p.grid.tokens, dim, hidden) for p in parts),
        matching=sum(
            p.matches(site) * site_match_macs(site, dim) for p in parts for site in p.merging
        )
        + times * (0 if smaller is None else site_match_macs(smaller, dim)),
        merging=sum(p.blocks * _merged(site, dim, hidden) for p in parts for site in p.merging)
        + times * pooling_macs(smaller, dim),
        gating=sum(p.blocks * _gate(site, dim) for p in parts for site in at.values()),
    )


def _site(site: Site, reduction: Sequence[ReductionSite]) -> ReductionSite | None:
    return next((one for one in reduction if (one.stage, one.side) == site), None)


def _ffn(rows: int, tokens: int, dim: int, hidden: int) -> int:
    """Count the linear layers on so many rows, and the convolution on all tokens."""
    return hidden * (rows * _SIDES * dim + tokens * _KERNEL**2)


def _merged(site: ReductionSite, dim: int, hidden: int) -> int:
    """Return the channels of the tokens that merge: of MixFFN its input's and the hidden ones."""
    return site.tokens_in * (dim + hidden if site.side == "ffn" else dim)


def _gate(site: ChannelSite, dim: int) -> int:
    """Count what it takes a block to choose its channels; the mean token is not counted."""
    if site.method != DynamicGate.name:
        return 0
    if site.part == "hidden":
        return site.channels_in * (dim + 2 * site.predictor)
    # Queries and keys see both their weights, values their own.
    return site.channels_in * (3 * dim + (2 + 1 + 2) * site.predictor)


def _patch_embedding(architecture: Architecture, stage: int, tokens: int) -> int:
    first = stage == 1
    channels = architecture.channels if first else architecture.dims[stage - 2]
    kernel = _FIRST_KERNEL if first else _KERNEL
    return tokens * architecture.dims[stage - 1] * channels * kernel**2


def _tokens_reduced(reduced: Grid, ratio: int) -> int:
    """Return how many tokens the strided convolution reads; the last stage has none."""
    return reduced.tokens * ratio**2 if ratio > 1 else 0


def _head(architecture: Architecture, size: Size, reduction: Sequence[ReductionSite]) -> HeadMacs:
    # The levels are fused on the grid of the first, which may be a smaller one.
    smaller = _site(Site(HEAD, "grid"), reduction)
    levels = [grid.tokens for grid in stage_grids(size)]
    if smaller is not None:
        levels[0] = smaller.tokens_out
    width, tokens = architecture.decoder, levels[0]
    return HeadMacs(
        projections=sum(
            left * dim * width for left, dim in zip(levels, architecture.dims, strict=True)
        ),
        fuse=tokens * STAGES * width**2,
        classifier=tokens * width * architecture.classes,
        merging=pooling_macs(smaller, architecture.dims[0]),
    )
