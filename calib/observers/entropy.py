"""The range that loses the least information: Kullback-Leibler divergence of the histograms.

Source: S. Migacz, "8-bit Inference with TensorRT", GTC 2017, the search over thresholds. As in
NVIDIA's own pytorch-quantization the bin at 0 counts as its neighbour does: behind an activation
most values lie there, are exact at any scale, and would leave the tail, which holds what the
network has found, no weight.
"""

import numpy as np
from numpy.typing import NDArray

from segpp.calib.observers import OBSERVERS
from segpp.calib.observers.base import LEVELS, clip_both, magnitudes
from segpp.calib.ranges.statistics import TensorStatistics

__all__ = ["entropy_range"]

_LEVELS = LEVELS // 2
# Thresholds are tried at so many places from the smallest that has a bin per level.
_TRIALS = 128


@OBSERVERS.register("entropy")
def entropy_range(statistics: TensorStatistics) -> tuple[float, float]:
    """Return the range whose 128 levels a side diverge least from the sampled magnitudes."""
    counts = magnitudes(statistics)
    counts[0] = counts[1]
    used = int(np.flatnonzero(counts)[-1]) + 1 if counts.any() else 0
    if used <= _LEVELS:
        return statistics.range
    trials = np.unique(np.linspace(_LEVELS, used, _TRIALS).astype(int))
    best = min(trials, key=lambda bins: _divergence(counts[:used], int(bins)))
    return clip_both(statistics, float(best) * statistics.histogram.width)


def _divergence(counts: NDArray[np.int64], bins: int) -> float:
    """Return how far the values quantized to ``bins`` bins' range are from what they were."""
    reference = counts[:bins].astype(np.float64)
    kept = reference > 0
    # What is clipped counts where it is clipped to.
    clipped = reference.copy()
    clipped[-1] += counts[bins:].sum()
    # Each level spreads what fell into it evenly over the bins of it that hold anything.
    level = np.arange(bins) * _LEVELS // bins
    sums = np.bincount(level, reference, _LEVELS)
    filled = np.bincount(level, kept, _LEVELS)
    quantized = np.where(kept, (sums / np.maximum(filled, 1))[level], 0.0)
    p, q = clipped / clipped.sum(), quantized / max(quantized.sum(), 1.0)
    # A clipped bin that held nothing has no counterpart: as little as can be.
    compared = p > 0
    q = np.maximum(q, 1e-12)
    return float((p[compared] * np.log(p[compared] / q[compared])).sum())
