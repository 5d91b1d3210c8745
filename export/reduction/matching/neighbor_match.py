"""Which tokens of a line merge into a neighbour, by the ordinary match.

Every second token of a line is a destination, from the first on; those between are sources, each
with a neighbour on either side. A match with a window of one cell compares a source with one
destination more, behind its left neighbour. To rule that out, three further channels, a code, add 2
to the cosine with a neighbour, which is as far apart as cosines can be:

    s' = (s / |s|, e_i + e_i+1)     of source i, whose neighbours are destinations i and i + 1
    d' = (d / |d|, 2 e_i)           of destination i

with e_i the unit vector of i modulo 3. Of each kind all are of one length, so that the cosine of s'
and d' is (cos(s, d) + 2) / sqrt(15) for neighbours, and rounding weighs four times as much in it.

A match numbers slots of its own; here they are numbered along the line.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from segpp.export.custom_ops import torch_ops
from segpp.export.reduction.assignments.line_pairs import LinePairs, Lines, columns_of, rows_of
from segpp.export.reduction.assignments.running_sums import sums_so_far
from segpp.export.reduction.matching.saliency import unit
from segpp.ops.grid import Grid

__all__ = ["line_pairs", "neighbor_slots"]

_CODES = 3


def line_pairs(x: Tensor, grid: Grid, small: Grid, *, is_largest: bool) -> LinePairs:
    """Return what merges along the rows of x (B, N, C), then along the columns of what is left.

    Args:
        x: Tokens.
        grid: Of them.
        small: How many rows and columns are left, at least half of each.
        is_largest: Whether tokens become their largest value, not their mean.
    """
    rows = _lines(rows_of(x, grid), small.width, is_largest=is_largest)
    left = columns_of(rows.merge(rows_of(x, grid)), grid)
    return LinePairs(grid, rows, _lines(left, small.height, is_largest=is_largest))


def _lines(lines: Tensor, slots: int, *, is_largest: bool) -> Lines:
    slot = neighbor_slots(lines, slots) if slots < lines.shape[1] else None
    return Lines(slot, slots, is_largest)


def neighbor_slots(lines: Tensor, slots: int) -> Tensor:
    """Return the slot of every token, (L, n) INT32, growing along each line.

    Args:
        lines: Tokens (L, n, C).
        slots: How many are to be left of n, at least half of them.
    """
    count = lines.shape[1]
    # 1. A last destination needs a source behind it to be one: what merges before all others.
    missing = count % 2
    tokens = torch.cat(
        (F.pad(unit(lines), (0, 0, 0, missing)), _codes(count, lines).expand(len(lines), -1, -1)), 2
    )
    slot = torch_ops.match(
        tokens,
        Grid(1, count + missing),
        stride_y=1,
        stride_x=2,
        merged=count + missing - slots,
        window=1,
    )[:, :count]
    # 2. Members of a slot are neighbours: a new slot begins where the number changes.
    begins = F.pad((slot[:, 1:] != slot[:, :-1]).int(), (1, 0))
    return sums_so_far(begins)


def _codes(count: int, like: Tensor) -> Tensor:
    """Return the code of every token, and of one behind an odd number of them, (n, 3)."""
    places = np.arange(count + count % 2)
    units: NDArray[np.float32] = np.eye(_CODES, dtype=np.float32)
    own, next_one = units[places // 2 % _CODES], units[(places // 2 + 1) % _CODES]
    codes = np.where((places % 2 == 0)[:, None], 2 * own, own + next_one)
    if count % 2:
        # With nothing but the code of the destination before it no other is as similar to one.
        codes[-1] = own[-1]
    return torch.from_numpy(codes).to(like.device)
