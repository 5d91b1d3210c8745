"""All but the most extreme values: one in ten thousand is clipped at either end."""

import numpy as np

from segpp.calib.observers import OBSERVERS
from segpp.calib.ranges.statistics import TensorStatistics

__all__ = ["percentile_range"]

_CLIPPED = 1e-4


@OBSERVERS.register("percentile")
def percentile_range(statistics: TensorStatistics) -> tuple[float, float]:
    """Return the range from the 0.01st to the 99.99th percentile of the sampled values.

    Each end is clipped for itself: a tensor behind an activation has one tail, not two.
    """
    histogram = statistics.histogram
    below = np.cumsum(histogram.counts)
    allowed = _CLIPPED * histogram.total
    # The edges of the first bin that must be kept whole, from below and from above.
    first = int(np.searchsorted(below, allowed, side="right"))
    last = int(np.searchsorted(below, histogram.total - allowed, side="left"))
    half = len(histogram.counts) // 2
    low, high = statistics.range
    return (
        min(max(low, (first - half) * histogram.width), 0.0),
        max(min(high, (last + 1 - half) * histogram.width), 0.0),
    )
