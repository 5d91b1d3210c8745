"""What INT8 costs: points of mIoU where there are labels, else of agreement with the float file."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segpp.calib.selection.measure import Comparison

__all__ = ["Drop", "drop_of", "miou_of"]

_DRAWS = 1000
_LEVEL = 0.95

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Drop:
    """A loss in points of a hundred; negative where the file is better.

    Attributes:
        measure: ``mIoU`` or ``agreement``.
        reference: Of the float file, in points.
        model: Of the file.
        low, high: Between them the loss lies with 95 % confidence (percentile bootstrap over
            pictures, Efron, 1979), however small that number of pictures makes the claim.
        classes: Loss of each class's IoU, in points; None where a class does not occur.
        pictures: How many it was measured on.
    """

    measure: str
    reference: float
    model: float
    low: float
    high: float
    classes: tuple[float | None, ...]
    pictures: int

    @property
    def points(self) -> float:
        """The loss."""
        return self.reference - self.model


def drop_of(comparison: Comparison, *, seed: int = 0) -> Drop:
    """Return what a comparison shows to be lost, and how sure that is."""
    draws = np.random.default_rng(seed)
    pictures = len(comparison.agreement)
    picked = draws.integers(0, pictures, (_DRAWS, pictures))
    if comparison.reference is None or comparison.model is None:
        shares = 100 * comparison.agreement
        lost = 100 - shares[picked].mean(axis=1)
        low, high = _interval(lost)
        return Drop("agreement", 100.0, float(shares.mean()), low, high, (), pictures)
    before, after = comparison.reference, comparison.model
    miou = partial(miou_of, ignored=comparison.ignored)
    lost = np.array([miou(before[p].sum(0)) - miou(after[p].sum(0)) for p in picked])
    low, high = _interval(lost)
    ious = [_ious(counts.sum(0), comparison.ignored) for counts in (before, after)]
    classes = tuple(
        None if np.isnan(a) or np.isnan(b) else float(a - b) for a, b in zip(*ious, strict=True)
    )
    return Drop("mIoU", miou(before.sum(0)), miou(after.sum(0)), low, high, classes, pictures)


def miou_of(confusion: Counts, *, ignored: Collection[int] = ()) -> float:
    """Return the mean IoU of the classes that occur, in points; (K, K), rows are labels.

    Args:
        ignored: Classes that have no IoU, as in ``segpp-eval``: their pixels were not counted.
    """
    ious = _ious(confusion, ignored)
    return float(np.nanmean(ious)) if not np.isnan(ious).all() else 0.0


def _ious(confusion: Counts, ignored: Collection[int]) -> NDArray[np.float64]:
    both = np.diag(confusion).astype(np.float64)
    either = confusion.sum(0) + confusion.sum(1) - both
    either[[label for label in ignored if label < len(both)]] = 0
    shares = np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0)
    return np.asarray(100 * shares)


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)
