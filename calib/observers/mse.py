"""The range whose rounding and clipping errors together are smallest.

Source: the least-squares step size of Banner et al., 2019, arXiv:1810.05723, section 3, on the
measured histogram instead of a fitted distribution.
"""

import numpy as np

from segpp.calib.observers import OBSERVERS
from segpp.calib.observers.base import LEVELS
from segpp.calib.ranges.statistics import TensorStatistics

__all__ = ["least_squares_range"]

# Of the seen range: each end is searched at so many shares, once for itself.
_SHARES = np.linspace(1.0, 0.2, 81)


@OBSERVERS.register("mse")
def least_squares_range(statistics: TensorStatistics) -> tuple[float, float]:
    """Return the range with the least mean squared error over the sampled values."""
    low, high = statistics.range
    # One end after the other, twice: a grid of both takes long, and the ends hardly depend on each
    # other.
    for _ in range(2):
        errors = [_error(statistics, low, high * share) for share in _SHARES]
        high *= float(_SHARES[np.argmin(errors)])
        errors = [_error(statistics, low * share, high) for share in _SHARES]
        low *= float(_SHARES[np.argmin(errors)])
    return low, high


def _error(statistics: TensorStatistics, low: float, high: float) -> float:
    histogram = statistics.histogram
    used = np.flatnonzero(histogram.counts)
    centers, counts = histogram.centers[used], histogram.counts[used]
    kept = np.clip(centers, low, high)
    step = (high - low) / (LEVELS - 1)
    clipped = float((counts * (centers - kept) ** 2).sum())
    # Inside, the error of rounding is even over one step: its variance is a twelfth of the square.
    inside = int(counts[kept == centers].sum())
    return clipped + inside * step * step / 12
