"""sample: a smaller grid of one token from each cell, its first.

What a mean makes of tokens is no token that the blocks were trained on; a token is. Own method;
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

__all__ = ["SampledGrid"]


@REDUCTIONS.register("sample")
@dataclass(frozen=True)
class SampledGrid(GridReduction):
    """Single tokens."""

    name: ClassVar[str] = "sample"

    def pool_macs(self, grid: Grid) -> int:  # noqa: ARG002 - nothing is computed
        """Return 0: tokens are taken as they are."""
        return 0

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:  # noqa: ARG002 - decided by the grid alone
        """Return the cells; the tokens are not looked at."""
        # A board lists methods and counts tokens without torch.
        from segpp.export.reduction.assignments.grid_pool import SamplePool  # noqa: PLC0415

        return SamplePool(grid, self.grid_out(grid))
