"""What n1d and n2d decide: means of equal cells, unmerged by nearest-neighbour resizing."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from segpp.export.reduction.cells import cells_of
from segpp.ops.grid import Grid

__all__ = ["CellMeans"]


@dataclass(frozen=True)
class CellMeans:
    """One token for every cell of ``rows`` x ``cols`` tokens; the tokens are not looked at.

    Quirk, kept: the reference unmerges by nearest-neighbour resizing. When a side above 2 does not
    divide the grid, some tokens come back from the next cell. We do the same, so that a checkpoint
    scores here what it scores upstream.
    """

    grid: Grid
    rows: int
    cols: int

    def merge(self, x: Tensor) -> Tensor:
        """Average each cell of x, (B, N, C) to (B, M, C)."""
        # Pooling wants channels first: (B, C, h, w).
        image = x.transpose(1, 2).reshape(*x.shape[::2], self.grid.height, self.grid.width)
        means = self._pool(image)
        return means.flatten(2).transpose(1, 2)

    def unmerge(self, y: Tensor) -> Tensor:
        """Give every token the mean of its cell, y (B, M, C) to (B, N, C)."""
        # Nearest-neighbour resizing takes row i of h from row floor(i * m / h) of m.
        cells = cells_of(self.grid, self.rows, self.cols)
        row = torch.arange(self.grid.height, device=y.device) * cells.height // self.grid.height
        col = torch.arange(self.grid.width, device=y.device) * cells.width // self.grid.width
        return y[:, (row[:, None] * cells.width + col).flatten()]

    def _pool(self, image: Tensor) -> Tensor:
        # AveragePool's ceil_mode divides edge cells by the full cell in some onnxruntime and
        # TensorRT versions, so we pad with zeros and divide by what a cell really holds.
        cells = cells_of(self.grid, self.rows, self.cols)
        below = cells.height * self.rows - self.grid.height
        right = cells.width * self.cols - self.grid.width
        if not (below or right):
            return F.avg_pool2d(image, (self.rows, self.cols))
        padded = F.pad(image, (0, right, 0, below))
        return F.avg_pool2d(padded, (self.rows, self.cols)) * self._edge_factor(image)

    def _edge_factor(self, like: Tensor) -> Tensor:
        """Return the size of a full cell over the tokens that each cell holds, (m, n)."""
        cells = cells_of(self.grid, self.rows, self.cols)
        row = torch.arange(cells.height, device=like.device) * self.rows
        col = torch.arange(cells.width, device=like.device) * self.cols
        held_rows = (self.grid.height - row).clamp(max=self.rows)
        held_cols = (self.grid.width - col).clamp(max=self.cols)
        held = held_rows[:, None] * held_cols
        return (self.rows * self.cols / held).to(like.dtype)
