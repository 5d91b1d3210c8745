"""What INT8 costs: points of mIoU where there are labels, else of agreement with the float file."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from segpp.calib.selection.measure import Comparison
from segpp.manifest import CalibrationDrop

__all__ = ["drop_of", "miou_of"]

_DRAWS = 1000
_LEVEL = 0.95

Counts = NDArray[np.int64]


def drop_of(comparison: Comparison, *, seed: int = 0) -> CalibrationDrop:
    """Return what a comparison shows to be lost, and how sure that is."""
    draws = np.random.default_rng(seed)
    pictures = len(comparison.agreement)
    picked = draws.integers(0, pictures, (_DRAWS, pictures))
    if comparison.reference is None or comparison.model is None:
        shares = 100 * comparison.agreement
        lost = 100 - shares[picked].mean(axis=1)
        low, high = _interval(lost)
        return CalibrationDrop("agreement", 100.0, float(shares.mean()), low, high, (), pictures)
    return _miou_drop(comparison.reference, comparison.model, comparison.ignored, picked)


def _miou_drop(
    before: Counts, after: Counts, ignored: Collection[int], picked: NDArray[np.int64]
) -> CalibrationDrop:
    first, second = (_ious(counts.sum(0), ignored) for counts in (before, after))
    # Of every draw the IoU of every class, (draws, K).
    firsts, seconds = (
        np.stack([_ious(counts[p].sum(0), ignored) for p in picked]) for counts in (before, after)
    )
    low, high = _interval(
        np.array([_mean(a) - _mean(b) for a, b in zip(firsts, seconds, strict=True)])
    )
    ends = [_known_interval(lost) for lost in (firsts - seconds).T]
    return CalibrationDrop(
        measure="mIoU",
        reference=_mean(first),
        model=_mean(second),
        low=low,
        high=high,
        classes=tuple(None if np.isnan(lost) else float(lost) for lost in first - second),
        pictures=len(before),
        classes_low=tuple(end[0] for end in ends),
        classes_high=tuple(end[1] for end in ends),
    )


def miou_of(confusion: Counts, *, ignored: Collection[int] = ()) -> float:
    """Return the mean IoU of the classes that occur, in points; (K, K), rows are labels.

    Args:
        ignored: Classes that have no IoU, as in ``segpp-eval``: their pixels were not counted.
    """
    return _mean(_ious(confusion, ignored))


def _mean(ious: NDArray[np.float64]) -> float:
    return float(np.nanmean(ious)) if not np.isnan(ious).all() else 0.0


def _ious(confusion: Counts, ignored: Collection[int]) -> NDArray[np.float64]:
    both = np.diag(confusion).astype(np.float64)
    either = confusion.sum(0) + confusion.sum(1) - both
    either[[label for label in ignored if label < len(both)]] = 0
    shares = np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0)
    return np.asarray(100 * shares)


def _known_interval(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Return the interval of the draws in which a class occurs."""
    known = values[~np.isnan(values)]
    return _interval(known) if known.size else (None, None)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)
