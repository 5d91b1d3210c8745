"""The merge sites of a SegFormer, and the tokens that arrive at each.

Sites are those of SegFormer++ (Kienzle et al., 2024, arXiv:2405.14467), figure 2: the queries of a
stage's attention, and its keys and values behind the spatial reduction.
"""

from math import ceil

from segpp.export.models.segformer.architecture import SR_RATIOS, STAGES, STRIDES
from segpp.export.reduction.sites import Side, Site
from segpp.ops.grid import Grid, Size

__all__ = ["SITES", "site_grids", "stage_grids"]

_SIDES: tuple[Side, ...] = ("q", "kv")

SITES = tuple(Site(stage, side) for stage in range(1, STAGES + 1) for side in _SIDES)


def stage_grids(size: Size) -> tuple[Grid, ...]:
    """Return the token grid of each stage for an image of ``size``."""
    return tuple(Grid(ceil(size.height / s), ceil(size.width / s)) for s in STRIDES)


def site_grids(size: Size) -> dict[Site, Grid]:
    """Return the tokens that arrive at each site for an image of ``size``."""
    grids: dict[Site, Grid] = {}
    for stage, (grid, ratio) in enumerate(zip(stage_grids(size), SR_RATIOS, strict=True), start=1):
        grids[Site(stage, "q")] = grid
        # The strided convolution drops what does not fill a window.
        grids[Site(stage, "kv")] = Grid(grid.height // ratio, grid.width // ratio)
    return grids
