"""What ``similarity`` decides: which neighbours along every row, then every column, become one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from segpp.export.custom_ops import torch_ops
from segpp.export.reduction.assignments.largest_values import largest_so_far
from segpp.ops.grid import Grid

__all__ = ["LinePairs", "Lines", "columns_of", "rows_of"]

# A token and its two neighbours.
_MOST_MEMBERS = 3


@dataclass(frozen=True)
class Lines:
    """What merges along parallel lines of tokens, each by itself.

    Attributes:
        slot: Of every token (L, n) INT32, not falling along a line; each slot has one token to
            three. None where all stay.
        slots: How many a line has.
        is_largest: Whether the largest value of a slot's members counts, not their mean.
    """

    slot: Tensor | None
    slots: int
    is_largest: bool

    def merge(self, x: Tensor) -> Tensor:
        """Return one token for each slot, x (L, n, C) to (L, slots, C)."""
        if self.slot is None:
            return x
        if self.is_largest:
            # The last member has seen all of its slot.
            return self._owns(self.slot, last=True).to(x.dtype) @ largest_so_far(
                x, self.slot, _MOST_MEMBERS
            )
        owns = self._owns(self.slot).to(x.dtype)
        means: Tensor = (owns @ x) / owns.sum(2, keepdim=True)
        return means

    def summed(self, x: Tensor) -> Tensor:
        """Return the sum of each slot's members, x (L, n, C) to (L, slots, C)."""
        return x if self.slot is None else self._owns(self.slot).to(x.dtype) @ x

    def members(self, of_each: Tensor | None = None) -> Tensor | None:
        """Return how many tokens each slot has, (L, slots, 1).

        Args:
            of_each: How many each token stands for, (L, n, 1); None, as returned, is one.
        """
        if self.slot is None or of_each is not None:
            return None if of_each is None else self.summed(of_each)
        return self._owns(self.slot).float().sum(2, keepdim=True)

    def unmerge(self, y: Tensor) -> Tensor:
        """Give every token the row of its slot, y (L, slots, C) to (L, n, C)."""
        return y if self.slot is None else torch_ops.unmerge(y, self.slot)

    def _owns(self, slot: Tensor, *, last: bool = False) -> Tensor:
        """Return which slot has which token, or only its last one, (L, slots, n)."""
        numbers = torch.arange(self.slots, dtype=torch.int32, device=slot.device)
        owns = slot[:, None, :] == numbers[:, None]
        if not last:
            return owns
        behind = torch.ones_like(slot[:, :1], dtype=torch.bool)
        return owns & torch.cat((slot[:, 1:] != slot[:, :-1], behind), 1)[:, None, :]


@dataclass(frozen=True)
class LinePairs:
    """Tokens of ``grid`` that merge along rows, and what is left along columns.

    Attributes:
        grid: All tokens.
        rows: Of the lines (B * h, w).
        columns: Of the lines (B * w', h).
    """

    grid: Grid
    rows: Lines
    columns: Lines

    def merge(self, x: Tensor) -> Tensor:
        """Merge x along rows, and what they become along columns, (B, N, C) to (B, M, C)."""
        return self._along(x, Lines.merge)

    def averaged(self, x: Tensor) -> Tensor:
        """Return the mean over all tokens of every slot, not of its rows' means, (B, M, C)."""
        return self._along(x, Lines.summed) / self.members().to(x.dtype)

    def members(self) -> Tensor:
        """Return how many tokens each slot has, (B, M, 1)."""
        of_rows = self.rows.members()
        narrow = None if of_rows is None else columns_of(of_rows, self.grid)
        # Along rows or columns something merges, or the smaller grid would be the grid.
        columns = cast("Tensor", self.columns.members(narrow))
        return _tokens(columns, columns.shape[0] // self.rows.slots)

    def _along(self, x: Tensor, one: Callable[[Lines, Tensor], Tensor]) -> Tensor:
        narrow = columns_of(one(self.rows, rows_of(x, self.grid)), self.grid)
        return _tokens(one(self.columns, narrow), x.shape[0])

    def unmerge(self, y: Tensor) -> Tensor:
        """Give every token the row of its slot, y (B, M, C) to (B, N, C)."""
        batch, small = y.shape[0], Grid(self.columns.slots, self.rows.slots)
        columns = self.columns.unmerge(columns_of(rows_of(y, small), small))
        back = Grid(self.grid.height, small.width)
        rows = self.rows.unmerge(rows_of(_tokens(columns, batch), back))
        return rows.reshape(batch, self.grid.tokens, y.shape[2])


def rows_of(x: Tensor, grid: Grid) -> Tensor:
    """Return tokens (B, N, C) as lines (B * h, w, C)."""
    return x.reshape(x.shape[0] * grid.height, grid.width, x.shape[2])


def columns_of(rows: Tensor, grid: Grid) -> Tensor:
    """Return rows (B * h, w', C) of a grid with so many of them as columns (B * w', h, C)."""
    image = rows.reshape(-1, grid.height, rows.shape[1], rows.shape[2])
    return image.transpose(1, 2).flatten(0, 1)


def _tokens(columns: Tensor, batch: int) -> Tensor:
    """Return columns (B * w, h, C) as tokens in raster order (B, N, C)."""
    image = columns.reshape(batch, -1, columns.shape[1], columns.shape[2])
    return image.transpose(1, 2).flatten(1, 2)
