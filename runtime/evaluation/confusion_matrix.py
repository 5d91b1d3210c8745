"""How often each class was taken for each other, counted image by image, and the scores from it.

With n_ij pixels of true class i that are predicted as class j, and t_i = sum_j n_ij:

    pixel accuracy   sum_i n_ii / sum_i t_i
    IoU_i            n_ii / (t_i + sum_j n_ji - n_ii)
    mIoU             the mean of IoU_i over the classes that have one

Pixels whose true label is ignored are in no n_ij. The counts are summed over all images before
any division, as for Pascal VOC and Cityscapes: an mIoU is no mean over images.

Source: Long, Shelhamer, Darrell, Fully Convolutional Networks for Semantic Segmentation, CVPR 2015,
section 5 (metrics).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import InputError

__all__ = ["ConfusionMatrix", "count_pixels", "empty_matrix"]


# ADE20K in full has 3,688. The counts of so many take 134 MB.
_MOST_CLASSES = 4096


@dataclass(frozen=True)
class ConfusionMatrix:
    """Pixel counts of true against predicted classes; those of several images add up.

    Args:
        matrix: (K, K) int64; row: true class, column: predicted class.
        ignored: Labels whose pixels are not counted. A class among them has no IoU.
    """

    matrix: NDArray[np.int64]
    ignored: frozenset[int]

    def __add__(self, other: "ConfusionMatrix") -> "ConfusionMatrix":
        return ConfusionMatrix(self.matrix + other.matrix, self.ignored | other.ignored)

    @property
    def pixels(self) -> int:
        """The number of pixels counted."""
        return int(self.matrix.sum())

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each class (K,); nan where a class has no IoU.

        That is a class that occurs neither in the truth nor in the prediction, or is ignored.
        """
        intersection = self.matrix.diagonal().astype(np.float64)
        union = self.matrix.sum(axis=0) + self.matrix.sum(axis=1) - self.matrix.diagonal()
        defined = union > 0
        defined[[label for label in self.ignored if 0 <= label < len(union)]] = False
        iou: NDArray[np.float64] = np.full(len(union), np.nan)
        np.divide(intersection, union, out=iou, where=defined)
        return iou

    @property
    def miou(self) -> float:
        """The mean of the IoUs that there are; nan without any."""
        iou = self.iou[~np.isnan(self.iou)]
        return float(iou.mean()) if len(iou) else float("nan")

    @property
    def pixel_accuracy(self) -> float:
        """The share of counted pixels that have their true class; nan without pixels."""
        return float(self.matrix.trace() / self.pixels) if self.pixels else float("nan")


def empty_matrix(classes: int, ignored: Collection[int] = ()) -> ConfusionMatrix:
    """Return the counts before the first image.

    Raises:
        InputError: The matrix would not fit into any reasonable memory.
    """
    if classes > _MOST_CLASSES:
        raise InputError(
            f"scores of {classes:,} classes take a matrix of {classes:,} x {classes:,} counts",
            f"at most {_MOST_CLASSES:,} classes are scored",
        )
    return ConfusionMatrix(np.zeros((classes, classes), np.int64), frozenset(ignored))


def count_pixels(
    truth: NDArray[Any], predicted: NDArray[Any], classes: int, ignored: Collection[int] = ()
) -> ConfusionMatrix:
    """Count the pixels of one image, or of any part of one.

    Args:
        truth: Class numbers, of any shape.
        predicted: Class numbers, of the same shape.
        classes: K.
        ignored: Labels of ``truth`` whose pixels are not counted.

    Raises:
        InputError: The shapes differ, or a counted pixel has no class below ``classes``.
    """
    if truth.shape != predicted.shape:
        raise InputError(f"labels {truth.shape} and a prediction {predicted.shape} do not fit")
    counted = ~np.isin(truth, list(ignored))
    rows, columns = truth[counted].astype(np.int64), predicted[counted].astype(np.int64)
    _check_classes(rows, classes, "the labels hold")
    _check_classes(columns, classes, "the prediction holds")
    # One number per pair of classes, so that one pass over the pixels counts all pairs.
    cells = np.bincount(rows * classes + columns, minlength=classes * classes)
    return ConfusionMatrix(cells.reshape(classes, classes).astype(np.int64), frozenset(ignored))


def _check_classes(values: NDArray[np.int64], classes: int, what: str) -> None:
    if values.size == 0:
        return
    for extreme in (int(values.min()), int(values.max())):
        if not 0 <= extreme < classes:
            raise InputError(f"{what} class {extreme}", f"there are classes 0 to {classes - 1}")
