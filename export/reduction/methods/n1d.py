"""n1d: average runs of consecutive tokens in raster order into one.

A run goes on from the end of a row to the start of the next. Queries only, as in the paper.

Source: Kienzle et al., SegFormer++, 2024 (arXiv:2405.14467).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from segpp.errors import ReductionError
from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.assignments.cells import cells_of, check_cell
from segpp.export.reduction.base import TokenAssignment, TokenReduction
from segpp.export.reduction.sites import Side
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Neighbor1d"]


@REDUCTIONS.register("n1d")
@dataclass(frozen=True)
class Neighbor1d(TokenReduction):
    """Runs of ``length`` tokens; the last may hold fewer."""

    name: ClassVar[str] = "n1d"
    is_content_based: ClassVar[bool] = False
    sides: ClassVar[tuple[Side, ...]] = ("q",)

    length: int = 2

    def __post_init__(self) -> None:
        check_cell(self.name, 1, self.length)

    def check_fits(self, grid: Grid) -> None:
        """Raise ReductionError if a run is longer than the grid."""
        if grid.tokens < self.length:
            raise ReductionError(
                f"n1d with runs of {self.length} does not fit a grid of {grid} tokens",
                f"the grid needs at least {self.length} tokens",
            )

    def tokens_out(self, grid: Grid) -> int:
        """Return the number of runs."""
        return cells_of(_line(grid), 1, self.length).tokens

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:  # noqa: ARG002 - decided by the grid alone
        """Return the runs; the tokens are not looked at."""
        # A board lists methods and counts tokens without torch.
        from segpp.export.reduction.assignments.cell_means import CellMeans  # noqa: PLC0415

        return CellMeans(_line(grid), 1, self.length)


def _line(grid: Grid) -> Grid:
    return Grid(1, grid.tokens)
