"""The merge sites of a SegFormer, and the tokens that arrive at each.

In the attention they are those of SegFormer++ (Kienzle et al., 2024, arXiv:2405.14467), figure 2:
the queries of a stage, and its keys and values behind the spatial reduction. Around it they are our
own: the linear layers of MixFFN, the grid of a stage's blocks, and that of the decode head.
"""

from collections.abc import Mapping
from math import ceil

from segpp.errors import ReductionError
from segpp.export.models.segformer.architecture import SR_RATIOS, STAGES, STRIDES
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.grid_reduction import GridReduction
from segpp.export.reduction.sites import HEAD, Side, Site
from segpp.ops.grid import Grid, Size

__all__ = ["SITES", "site_grids", "stage_grids"]

# The grid first: it decides how many tokens arrive at the others.
_SIDES: tuple[Side, ...] = ("grid", "q", "kv", "ffn")

SITES = (
    *(Site(stage, side) for stage in range(1, STAGES + 1) for side in _SIDES),
    Site(HEAD, "grid"),
)


def stage_grids(size: Size) -> tuple[Grid, ...]:
    """Return the token grid of each stage for an image of ``size``."""
    return tuple(Grid(ceil(size.height / s), ceil(size.width / s)) for s in STRIDES)


def site_grids(
    size: Size, reductions: Mapping[Site, TokenReduction] | None = None
) -> dict[Site, Grid]:
    """Return the tokens that arrive at each site for an image of ``size``.

    Args:
        size: In pixels.
        reductions: What works at the sites; on a smaller grid fewer tokens arrive at the attention.

    Raises:
        ReductionError: A smaller grid would leave no keys and values.
    """
    at = reductions or {}
    grids: dict[Site, Grid] = {}
    full = stage_grids(size)
    for stage, (grid, ratio) in enumerate(zip(full, SR_RATIOS, strict=True), start=1):
        site = Site(stage, "grid")
        grids[site] = grid
        grids[Site(stage, "q")] = grids[Site(stage, "ffn")] = blocks = _smaller(at.get(site), grid)
        # The strided convolution drops what does not fill a window.
        grids[Site(stage, "kv")] = keys = Grid(blocks.height // ratio, blocks.width // ratio)
        if site in at and not keys.tokens:
            raise ReductionError(
                f"{site.place}: {blocks} tokens of {grid} are too few for keys and values",
                f"each is of {ratio}x{ratio} tokens",
                hint=f"use a larger input or a larger share, or clear it: {site}=none",
            )
    grids[Site(HEAD, "grid")] = full[0]
    return {site: grids[site] for site in SITES}


def _smaller(reduction: TokenReduction | None, grid: Grid) -> Grid:
    return reduction.grid_out(grid) if isinstance(reduction, GridReduction) else grid
