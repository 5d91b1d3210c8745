"""area: a smaller grid of the means over its cells' areas.

An average pooling where the cells divide the grid, as at a half of an even one; else two products
with constant matrices, by which a token on the border of two cells counts for both. Own method;
``grid_reduction`` says what it is for.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.base import TokenAssignment
from segpp.export.reduction.grid_reduction import GridReduction
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AreaGrid"]


@REDUCTIONS.register("area")
@dataclass(frozen=True)
class AreaGrid(GridReduction):
    """Means over cells."""

    name: ClassVar[str] = "area"

    def pool_macs(self, grid: Grid) -> int:
        """Return the products of the two matrices, or an addition for each token."""
        small = self.grid_out(grid)
        if not (grid.height % small.height or grid.width % small.width):
            return grid.tokens
        return small.height * grid.tokens + small.tokens * grid.width

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:  # noqa: ARG002 - decided by the grid alone
        """Return the cells; the tokens are not looked at."""
        # A board lists methods and counts tokens without torch.
        from segpp.export.reduction.assignments.grid_pool import AreaPool  # noqa: PLC0415

        return AreaPool(grid, self.grid_out(grid))
