"""bilinear: a smaller grid of what lies at its cells' centres, between the four nearest tokens.

At a half of an even grid that is the mean of four, as ``area`` has it; at smaller shares tokens
between the centres count for nothing. Own method; ``grid_reduction`` says what it is for.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.base import TokenAssignment
from segpp.export.reduction.grid_reduction import GridReduction
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BilinearGrid"]


@REDUCTIONS.register("bilinear")
@dataclass(frozen=True)
class BilinearGrid(GridReduction):
    """Bilinear samples at the centres of cells."""

    name: ClassVar[str] = "bilinear"

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:  # noqa: ARG002 - decided by the grid alone
        """Return the cells; the tokens are not looked at."""
        # A board lists methods and counts tokens without torch.
        from segpp.export.reduction.assignments.grid_pool import BilinearPool  # noqa: PLC0415

        return BilinearPool(grid, self.grid_out(grid))
