"""A histogram of signed values that widens as larger ones come, without losing a count.

It covers [-limit, limit), the limit a power of two, with a fixed number of bins of one width. When
a larger value comes the limit doubles, and the counts of two neighbours join; which two is fixed by
their place, so the order of the pictures changes nothing.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "Histogram"]

BINS = 8192
_HALF = BINS // 2
# Narrower than any number that matters, so that a tensor of zeros has a histogram too.
_SMALLEST = 2.0**-20

Counts = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass
class Histogram:
    """Counts of values in ``BINS`` equal bins over [-limit, limit).

    Attributes:
        limit: A power of two above the largest magnitude.
        counts: (BINS,), from the most negative up.
    """

    limit: float = _SMALLEST
    counts: Counts = field(default_factory=lambda: np.zeros(BINS, np.int64))

    @property
    def width(self) -> float:
        """Of one bin."""
        return self.limit / _HALF

    @property
    def centers(self) -> NDArray[np.float64]:
        """The middle of every bin, (BINS,)."""
        return np.asarray((np.arange(BINS) - _HALF + 0.5) * self.width, np.float64)

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    def add(self, values: Floats) -> None:
        """Count values of any shape; they must be finite."""
        if not values.size:
            return
        self._widen(float(np.abs(values).max()))
        # In float64 no value is so small that its sign is lost beside a large limit.
        places = values.ravel().astype(np.float64) * (_HALF / self.limit)
        codes = np.floor(places).astype(np.int64) + _HALF
        self.counts += np.bincount(codes, minlength=BINS)

    def _widen(self, largest: float) -> None:
        # The upper end is open, so a magnitude that equals the limit needs the next one.
        while largest >= self.limit:
            below, above = self.counts[:_HALF], self.counts[_HALF:]
            joined = np.zeros(BINS, np.int64)
            quarter = _HALF // 2
            joined[_HALF - quarter : _HALF] = below[::2] + below[1::2]
            joined[_HALF : _HALF + quarter] = above[::2] + above[1::2]
            self.counts, self.limit = joined, self.limit * 2
