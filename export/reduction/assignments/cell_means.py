"""What n1d and n2d decide: means of equal cells, unmerged by nearest-neighbour resizing."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from segpp.export.reduction.assignments.cells import cells_of
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

    def averaged(self, x: Tensor) -> Tensor:
        """Return what merging does: means."""
        return self.merge(x)

    def members(self) -> Tensor:
        """Return how many tokens each cell has, (1, M, 1)."""
        return torch.as_tensor(self._held().flatten())[None, :, None]

    def unmerge(self, y: Tensor) -> Tensor:
        """Give every token the mean of its cell, y (B, M, C) to (B, N, C)."""
        cells = cells_of(self.grid, self.rows, self.cols)
        image = y.reshape(y.shape[0], cells.height, cells.width, y.shape[2])
        lines = _spread(image, 1, self.grid.height)
        return _spread(lines, 2, self.grid.width).flatten(1, 2)

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
        factor = self.rows * self.cols / self._held()
        # Made here and not of torch's operators: the exporter folds small constants only, and
        # TensorRT-RTX cannot compile the arithmetic on whole numbers that is left.
        kind = np.float64 if like.dtype == torch.float64 else np.float32
        return torch.as_tensor(factor.astype(kind), device=like.device).to(like.dtype)

    def _held(self) -> NDArray[np.int64]:
        """Return how many tokens each cell has, (m, n)."""
        cells = cells_of(self.grid, self.rows, self.cols)
        held_rows = (self.grid.height - np.arange(cells.height) * self.rows).clip(max=self.rows)
        held_cols = (self.grid.width - np.arange(cells.width) * self.cols).clip(max=self.cols)
        held: NDArray[np.int64] = held_rows[:, None] * held_cols
        return held


def _spread(image: Tensor, axis: int, tokens: int) -> Tensor:
    """Resize (B, h, w, C) along rows or columns: token i of n is cell ``i * m // n`` of m."""
    cells = image.shape[axis]
    if tokens % cells == 0:
        shape = [*image.shape[: axis + 1], tokens // cells, *image.shape[axis + 1 :]]
        return image.unsqueeze(axis + 1).expand(shape).flatten(axis, axis + 1)
    # A row for each axis, not one for every token: an index list as long as an image is a large
    # constant in the file. Made by NumPy for the same reason as above.
    places = torch.as_tensor(np.arange(tokens) * cells // tokens, device=image.device)
    return image.index_select(axis, places)
