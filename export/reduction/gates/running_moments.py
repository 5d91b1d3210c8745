"""Moments of a layer's channels, gathered image by image."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segpp.export.reduction.gates.selection import Moments

__all__ = ["Draw", "RunningMoments"]

# Gives one image (1, C, H, W), normalised.
Draw = Callable[[], NDArray[np.float32]]


class RunningMoments:
    """Sums over tokens, in double precision.

    Args:
        centred: Around the mean of each image, not of all: what is the same for all keys of an
            image does not change a softmax over them.
    """

    def __init__(self, *, centred: bool = False) -> None:
        self._centred = centred
        self._count = 0
        self._sum: Tensor | None = None
        self._products: Tensor | None = None

    def add(self, tokens: Tensor) -> None:
        """Add tokens (1, N, D) of one image."""
        x = tokens[0].double()
        if self._centred:
            x = x - x.mean(0)
        total, products = x.sum(0), x.T @ x
        self._sum = total if self._sum is None else self._sum + total
        self._products = products if self._products is None else self._products + products
        self._count += len(x)

    @property
    def second(self) -> Tensor:
        """The mean of the products, (D, D)."""
        if self._products is None:
            raise RuntimeError("no image has been seen")
        return self._products / self._count

    def moments(self) -> Moments:
        """Return mean and covariance."""
        second = self.second
        mean = torch.zeros(len(second), dtype=second.dtype) if self._sum is None else self._sum
        mean = mean / self._count
        return Moments(mean, second - torch.outer(mean, mean))
