"""What an observer is: from the values of a tensor to the range that INT8 keeps.

A narrow range represents what lies in it finely and clips the rest; a wide one clips nothing.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segpp.calib.ranges.statistics import TensorStatistics

__all__ = ["LEVELS", "Observer", "clip_both", "magnitudes"]

# Of an 8-bit number.
LEVELS = 256


class Observer(Protocol):
    """Chooses the range of one tensor."""

    def __call__(self, statistics: TensorStatistics) -> tuple[float, float]:
        """Return the lowest and the highest value to keep; 0 lies between them.

        Never outside the values that were seen.
        """


def clip_both(statistics: TensorStatistics, limit: float) -> tuple[float, float]:
    """Return the seen range without what lies further from 0 than ``limit``."""
    low, high = statistics.range
    return max(low, -limit), min(high, limit)


def magnitudes(statistics: TensorStatistics) -> NDArray[np.int64]:
    """Return how many values have each magnitude: the histogram folded at 0, (BINS / 2,)."""
    counts = statistics.histogram.counts
    half = len(counts) // 2
    return counts[half:] + counts[:half][::-1]
