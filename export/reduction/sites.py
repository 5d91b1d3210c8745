"""Where tokens can be merged: the queries, or the keys and values, of a stage."""

import re
from math import ceil
from typing import Literal, NamedTuple

from segpp.errors import ReductionError
from segpp.export.models.segformer.architecture import REDUCE, STAGES, STRIDES
from segpp.ops.grid import Grid, Size

__all__ = ["SITES", "Side", "Site", "grid_at", "parse_site", "stage_grids"]

Side = Literal["q", "kv"]


class Site(NamedTuple):
    """One stage (1 to 4) and one side of its attention.

    ``q`` merges what goes in and restores what comes out; ``kv`` is never undone.
    """

    stage: int
    side: Side

    def __str__(self) -> str:
        return f"{self.stage}.{self.side}"


SITES = tuple(Site(stage, side) for stage in range(1, STAGES + 1) for side in ("q", "kv"))


def parse_site(text: str) -> Site:
    """Read ``STAGE.q`` or ``STAGE.kv``.

    Raises:
        ReductionError: The stage or the side does not exist.
    """
    known = ", ".join(map(str, SITES))
    found = re.fullmatch(r"(\d+)\.(\w+)", text)
    if not found:
        raise ReductionError(f"{text!r} is not a merge site", f"known: {known}")
    site = (int(found[1]), found[2])
    for candidate in SITES:
        if site == tuple(candidate):
            return candidate
    missing = f"stage {site[0]}" if not 1 <= site[0] <= STAGES else f"side {site[1]!r}"
    raise ReductionError(f"{text!r} names {missing}, which does not exist", f"known: {known}")


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
