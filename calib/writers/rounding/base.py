"""What a rounding is: from weights in steps of their grid to integers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Product", "Rounding"]

Doubles = NDArray[np.float64]
Codes = NDArray[np.int8]


@dataclass(frozen=True)
class Product:
    """The weights of one product before they are rounded, and what they are multiplied by.

    A convolution of G groups is G products of a row for each output channel; others have one.

    Attributes:
        targets: The best weights that need not be integers, in steps of each channel's scale,
            (G, O, K).
        moments: Second moments E[x x^T] of what the rows are multiplied by, (G, K, K).
        limit: Largest magnitude of an integer.
    """

    targets: Doubles
    moments: Doubles
    limit: int

    def errors(self, codes: Doubles | Codes) -> Doubles:
        """Return the mean squared error that integers leave in every output channel, (G, O).

        It is E[((q - t) x)^2] = (q - t) E[x x^T] (q - t)^T, in squares of the channel's scale: the
        rest of what rounding does to the output depends on no integer.
        """
        difference = np.asarray(codes, np.float64) - self.targets
        return np.asarray(np.sum((difference @ self.moments) * difference, axis=2))

    def nearest(self) -> Doubles:
        """Return the integers that lie nearest, of float type, (G, O, K)."""
        return np.clip(np.round(self.targets), -self.limit, self.limit)


@dataclass(frozen=True)
class Rounding:
    """One way to round.

    Args:
        codes: Returns the integers of a product, (G, O, K).
        is_fitted: Whether it looks at more than the weights: then pictures are run for it, and what
            it gives is kept where blocks come closer. Writers round to the nearest by themselves.
    """

    codes: Callable[[Product], Codes]
    is_fitted: bool = True
