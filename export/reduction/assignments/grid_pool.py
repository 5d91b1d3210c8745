"""What methods for a smaller grid decide: how tokens become cells, and come back bilinearly."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from segpp.ops.grid import Grid

__all__ = ["AreaPool", "BilinearPool", "SamplePool"]


@dataclass(frozen=True)
class _GridPool(ABC):
    """From the tokens of ``grid`` to those of ``small`` and back; the tokens are not looked at."""

    grid: Grid
    small: Grid

    @abstractmethod
    def merge(self, x: Tensor) -> Tensor:
        """Pool x, (B, N, C) to (B, M, C)."""

    def unmerge(self, y: Tensor) -> Tensor:
        """Resize y bilinearly between the centres of cells, (B, M, C) to (B, N, C)."""
        return _resized(y, self.small, self.grid)


@dataclass(frozen=True)
class BilinearPool(_GridPool):
    """What lies at the centre of a cell, between its four nearest tokens."""

    def merge(self, x: Tensor) -> Tensor:
        """Sample x, (B, N, C) to (B, M, C)."""
        return _resized(x, self.grid, self.small)


@dataclass(frozen=True)
class SamplePool(_GridPool):
    """The token at the upper left of a cell: of cell i of m, token ``i * n // m`` of n."""

    def merge(self, x: Tensor) -> Tensor:
        """Take tokens of x, (B, N, C) to (B, M, C)."""
        lines = x.reshape(x.shape[0], self.grid.height, self.grid.width, x.shape[2])
        lines = _sampled(_sampled(lines, 1, self.small.height), 2, self.small.width)
        return lines.flatten(1, 2)


@dataclass(frozen=True)
class AreaPool(_GridPool):
    """The mean over the area of a cell; of a token that two cells share, each has its part."""

    def merge(self, x: Tensor) -> Tensor:
        """Average x, (B, N, C) to (B, M, C)."""
        rows, below = divmod(self.grid.height, self.small.height)
        columns, right = divmod(self.grid.width, self.small.width)
        if below or right:
            return self._shared_means(x)
        return _to_tokens(F.avg_pool2d(_to_map(x, self.grid), (rows, columns)))

    def _shared_means(self, x: Tensor) -> Tensor:
        batch, _, channels = x.shape
        # 1. Means of rows, whole lines at once: (B, h, w * C) to (B, h', w * C)
        lines = x.reshape(batch, self.grid.height, self.grid.width * channels)
        means = _shares(self.grid.height, self.small.height, like=x) @ lines
        # 2. Means of columns: (B, h', w, C) to (B, h', w', C)
        means = means.reshape(batch, self.small.height, self.grid.width, channels)
        means = _shares(self.grid.width, self.small.width, like=x) @ means
        return means.flatten(1, 2)


def _shares(tokens: int, cells: int, *, like: Tensor) -> Tensor:
    """Return which share of each cell each token has, (cells, tokens); rows sum to one."""
    # In whole numbers: a token is ``cells`` long and a cell ``tokens``.
    cell, token = np.arange(cells)[:, None] * tokens, np.arange(tokens) * cells
    shared = np.minimum(cell + tokens, token + cells) - np.maximum(cell, token)
    # Made here and not of torch's operators: the exporter folds small constants only.
    kind = np.float64 if like.dtype == torch.float64 else np.float32
    shares = torch.as_tensor((shared.clip(0) / tokens).astype(kind), device=like.device)
    return shares.to(like.dtype)


def _sampled(x: Tensor, axis: int, cells: int) -> Tensor:
    tokens = x.shape[axis]
    if tokens % cells == 0:
        # As a slice, which engines take with what follows it.
        step = tokens // cells
        return x[:, ::step] if axis == 1 else x[:, :, ::step]
    places = torch.as_tensor(np.arange(cells) * tokens // cells, device=x.device)
    return x.index_select(axis, places)


def _resized(x: Tensor, grid: Grid, to: Grid) -> Tensor:
    image = _to_map(x, grid)
    size = (to.height, to.width)
    return _to_tokens(F.interpolate(image, size, mode="bilinear", align_corners=False))


def _to_map(x: Tensor, grid: Grid) -> Tensor:
    """Return tokens (B, N, C) as a feature map (B, C, h, w)."""
    return x.reshape(x.shape[0], grid.height, grid.width, x.shape[2]).permute(0, 3, 1, 2)


def _to_tokens(image: Tensor) -> Tensor:
    return image.permute(0, 2, 3, 1).flatten(1, 2)
