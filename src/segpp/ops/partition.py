"""The lattice of bipartite matching: which tokens of a grid are destinations, which are sources.

A destination is the top-left token of every complete ``stride_y`` x ``stride_x`` cell. All other
tokens are sources; the rows and columns beyond the last complete cell hold sources only.

Source: Bolya & Hoffman, 2023 (arXiv:2303.17604), section 4.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segpp.ops.grid import Grid

__all__ = ["BipartitePartition", "Indices"]

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class BipartitePartition:
    """The split of one grid.

    Args:
        grid: All tokens, in raster order.
        stride_y: Rows of a cell.
        stride_x: Columns of a cell.
    """

    grid: Grid
    stride_y: int
    stride_x: int

    @property
    def cells(self) -> Grid:
        """The complete cells, one destination each."""
        return Grid(self.grid.height // self.stride_y, self.grid.width // self.stride_x)

    @property
    def num_sources(self) -> int:
        """The number of tokens that are not destinations."""
        return self.grid.tokens - self.cells.tokens

    @cached_property
    def destinations(self) -> Indices:
        """Token indices of the destinations, in raster order."""
        return np.flatnonzero(self._is_destination)

    @cached_property
    def sources(self) -> Indices:
        """Token indices of the sources, in raster order."""
        return np.flatnonzero(~self._is_destination)

    @cached_property
    def cell_of(self) -> tuple[Indices, Indices]:
        """Row and column of every token's cell, not clipped: leftovers get cells of their own."""
        y, x = np.divmod(np.arange(self.grid.tokens), self.grid.width)
        return y // self.stride_y, x // self.stride_x

    def near(self, window: int) -> NDArray[np.bool_]:
        """Return (S, D): which destinations are at most ``window`` cells from which source."""
        rows, columns = self.cell_of
        far = [
            np.abs(axis[self.sources][:, None] - axis[self.destinations][None, :])
            for axis in (rows, columns)
        ]
        near: NDArray[np.bool_] = np.maximum(*far) <= window
        return near

    def within_reach(self, window: int) -> int:
        """Return a window no wider than the grid, which hides the same destinations."""
        # The cells that an edge cuts have no destination, but sources that look for one.
        rows, columns = self.cell_of
        return min(window, max(1, int(rows.max()), int(columns.max())))

    def compared_pairs(self, window: int = 0) -> int:
        """Return how many pairs of source and destination one match compares.

        Args:
            window: How many cells away a destination may be; 0 is any distance.
        """
        near = (2 * window + 1) ** 2 if window else self.cells.tokens
        return self.num_sources * min(self.cells.tokens, near)

    @property
    def _is_destination(self) -> NDArray[np.bool_]:
        y, x = np.divmod(np.arange(self.grid.tokens), self.grid.width)
        on_lattice = (y % self.stride_y == 0) & (x % self.stride_x == 0)
        rows, columns = self.cells.height, self.cells.width
        inside: NDArray[np.bool_] = (y // self.stride_y < rows) & (x // self.stride_x < columns)
        found: NDArray[np.bool_] = on_lattice & inside
        return found
