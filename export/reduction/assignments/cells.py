"""Cells of neighbouring tokens: what n1d and n2d count with."""

from math import ceil

from segpp.errors import ReductionError
from segpp.ops.grid import Grid

__all__ = ["cells_of", "check_cell"]


def check_cell(name: str, rows: int, cols: int) -> None:
    """Raise ReductionError unless a cell holds at least two tokens."""
    if min(rows, cols) < 1 or rows * cols == 1:
        raise ReductionError(
            f"{name} cannot average cells of {rows}x{cols} tokens",
            "a cell needs at least two tokens",
        )


def cells_of(grid: Grid, rows: int, cols: int) -> Grid:
    """Return the grid of cells; those cut by an edge count."""
    return Grid(ceil(grid.height / rows), ceil(grid.width / cols))
