"""What every method for a smaller grid promises: a part of a stage's blocks on fewer cells.

The tokens x of a grid are pooled to a smaller one, the blocks run there unchanged, and what they
changed is brought back to every token:

    x + up(blocks(pool(x)) - pool(x))

So detail that the smaller grid cannot hold stays in x. ``up`` is bilinear between the centres of
cells, as torch's ``align_corners=False``, but for ``similarity``, which chooses by the tokens what
becomes a cell. The formula is our own; a grid that merging leaves a grid is CubistMerge's (2025,
arXiv:2509.21764).
"""

from dataclasses import dataclass
from itertools import groupby
from math import floor
from typing import ClassVar

from segpp.errors import ReductionError
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.sites import HEAD, Side, Site
from segpp.ops.grid import Grid

__all__ = ["GridReduction", "runs_of"]


@dataclass(frozen=True)
class GridReduction(TokenReduction):
    """Blocks on a grid that has a share of the tokens along each axis.

    Attributes:
        share: Of each axis, above 0 and below 1. The smaller axis has ``n * share`` cells rounded
            to the nearest number, a half upwards, and one at least: 11 tokens become 6 at a half.
        first: The first block on the smaller grid, counted from 1.
        every: Of the blocks from ``first`` on, every so manieth runs on the full grid; 0 is none.
    """

    sides: ClassVar[tuple[Side, ...]] = ("grid",)
    is_content_based: ClassVar[bool] = False

    share: float = 0.5
    first: int = 1
    every: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ReductionError(
                f"{self.name} cannot keep a share of {self.share:g} of an axis",
                "share must lie between 0 and 1",
            )
        if self.first < 1:
            raise ReductionError(
                f"{self.name} cannot begin at block {self.first}", "blocks are counted from 1"
            )
        if self.every < 0 or self.every == 1:
            raise ReductionError(
                f"{self.name} cannot run every {self.every} blocks on the full grid",
                "0 is none, 2 every other one; 1 would leave no block on the smaller grid",
            )

    def check_fits(self, grid: Grid) -> None:
        """Raise ReductionError if no axis of the grid becomes smaller."""
        if self.grid_out(grid) == grid:
            least = floor(0.5 / (1 - self.share)) + 1
            raise ReductionError(
                f"{self.name} with a share of {self.share:g} does not fit a grid of {grid} tokens",
                f"an axis needs at least {least} tokens",
                hint="use a larger input or a smaller share",
            )

    def check_side(self, site: Site) -> None:
        """Raise ReductionError for another side, or for blocks where there are none to choose."""
        super().check_side(site)
        if (site.stage == HEAD or site.side == "tokens") and (self.first, self.every) != (1, 0):
            raise ReductionError(
                f"{site} has no blocks to choose from",
                "first and every are of the blocks of a stage",
                hint=f"{site}={self.name}:share={self.share:g}",
            )

    def grid_out(self, grid: Grid) -> Grid:
        """Return the smaller grid."""
        return Grid(self._cells(grid.height), self._cells(grid.width))

    def tokens_out(self, grid: Grid) -> int:
        """Return how many tokens the smaller grid has."""
        return self.grid_out(grid).tokens

    def pool_macs(self, grid: Grid) -> int:
        """Return what pooling takes a channel: an addition a token, unless it multiplies more."""
        return grid.tokens

    def matches(self, grid: Grid) -> int:
        """Return how many matches going there takes; 0 where the grid alone decides."""
        del grid
        return 0

    @property
    def serves_blocks(self) -> bool:
        """False: the tokens of a grid are matched once, before its blocks."""
        return False

    def small_blocks(self, depth: int) -> tuple[bool, ...]:
        """Return which of the blocks of a stage run on the smaller grid.

        Raises:
            ReductionError: The stage ends before the first of them.
        """
        if self.first > depth:
            raise ReductionError(
                f"{self.name} cannot begin at block {self.first} of {depth}",
                hint=f"first=1 to {depth}",
            )
        return tuple(map(self._is_small, range(1, depth + 1)))

    def _is_small(self, block: int) -> bool:
        place = block - self.first + 1
        return place > 0 and not (self.every and place % self.every == 0)

    def _cells(self, tokens: int) -> int:
        return max(1, floor(tokens * self.share + 0.5))


def runs_of(reduction: TokenReduction | None, depth: int) -> tuple[tuple[bool, int], ...]:
    """Return the blocks of a stage as runs on one grid: whether it is the smaller, how many.

    Args:
        reduction: At the stage's grid, if there is any.
        depth: How many blocks the stage has.

    Raises:
        ReductionError: The stage ends before the first block on the smaller grid.
    """
    small = (
        reduction.small_blocks(depth) if isinstance(reduction, GridReduction) else (False,) * depth
    )
    return tuple((is_small, len(list(blocks))) for is_small, blocks in groupby(small))
