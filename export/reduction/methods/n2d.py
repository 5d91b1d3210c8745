"""n2d: average each rectangle of neighbouring tokens into one.

Source: Kienzle et al., SegFormer++, 2024 (arXiv:2405.14467).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from segpp.errors import ReductionError
from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.assignments.cells import cells_of, check_cell
from segpp.export.reduction.base import TokenAssignment, TokenReduction
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Neighbor2d"]


@REDUCTIONS.register("n2d")
@dataclass(frozen=True)
class Neighbor2d(TokenReduction):
    """Cells of ``rows`` x ``cols`` tokens; those cut by an edge hold fewer."""

    name: ClassVar[str] = "n2d"
    is_content_based: ClassVar[bool] = False

    rows: int = 2
    cols: int = 2

    def __post_init__(self) -> None:
        check_cell(self.name, self.rows, self.cols)

    def check_fits(self, grid: Grid) -> None:
        """Raise ReductionError if a cell is larger than the grid."""
        if grid.height < self.rows or grid.width < self.cols:
            raise ReductionError(
                f"n2d with cells of {self.rows}x{self.cols} does not fit a grid of {grid} tokens",
                f"the grid needs at least {self.rows}x{self.cols} tokens",
                hint="use a larger input or smaller cells",
            )

    def tokens_out(self, grid: Grid) -> int:
        """Return the number of cells."""
        return cells_of(grid, self.rows, self.cols).tokens

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:  # noqa: ARG002 - decided by the grid alone
        """Return the cells; the tokens are not looked at."""
        # A board lists methods and counts tokens without torch.
        from segpp.export.reduction.assignments.cell_means import CellMeans  # noqa: PLC0415

        return CellMeans(grid, self.rows, self.cols)
