"""What is known of one activation tensor over all pictures."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segpp.calib.ranges.histogram import Histogram

__all__ = ["TensorStatistics"]

Floats = NDArray[np.float32]


@dataclass
class TensorStatistics:
    """Ranges of one tensor.

    Attributes:
        low: The smallest value of each channel, over every value of every picture, (C,).
        high: The largest, likewise.
        mean: Of each channel, likewise.
        histogram: Of all channels together, over sampled places.
        pictures: How many it is of.
    """

    low: Floats
    high: Floats
    mean: NDArray[np.float64]
    histogram: Histogram = field(default_factory=Histogram)
    pictures: int = 0

    @classmethod
    def empty(cls, channels: int) -> "TensorStatistics":
        """Return what is known before the first picture."""
        infinite = np.full(channels, np.inf, np.float32)
        return cls(infinite, -infinite, np.zeros(channels))

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest value of all; 0 lies between them."""
        return min(float(self.low.min()), 0.0), max(float(self.high.max()), 0.0)

    def add(
        self, low: Floats, high: Floats, mean: NDArray[np.float64], rows: Floats, pictures: int
    ) -> None:
        """Take in what was seen on some pictures: extremes, means (C,) and sampled rows (…, C)."""
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        seen = self.pictures + pictures
        self.mean += (mean - self.mean) * (pictures / seen)
        self.histogram.add(rows)
        self.pictures = seen
