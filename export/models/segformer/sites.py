"""The merge sites of a SegFormer, and the tokens that arrive at each.

Sites are those of SegFormer++ (Kienzle et al., 2024, arXiv:2405.14467), figure 2: the queries of a
stage's attention, and its keys and values behind the spatial reduction.
"""

from math import ceil

from segpp.export.models.segformer.architecture import REDUCE, STAGES, STRIDES
from segpp.export.reduction.sites import Side, Site
from segpp.ops.grid import Grid, Size

__all__ = ["SITES", "grid_at", "stage_grids"]

_SIDES: tuple[Side, ...] = ("q", "kv")

SITES = tuple(Site(stage, side) for stage in range(1, STAGES + 1) for side in _SIDES)


def stage_grids(size: Size) -> tuple[Grid, ...]:
    """Return the token grid of each stage for an image of ``size``."""
    return tuple(Grid(ceil(size.height / s), ceil(size.width / s)) for s in STRIDES)


def grid_at(site: Site, grids: tuple[Grid, ...]) -> Grid:
    """Return the tokens that arrive at ``site``, given the grid of each stage."""
    grid = grids[site.stage - 1]
    if site.side == "q":
        return grid
    side = REDUCE[site.stage - 1]
    return Grid(grid.height // side, grid.width // side)
