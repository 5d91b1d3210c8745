"""Labels of pictures that a stage is scored by, which may not know of the runtime's counting."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.api._labelled import rules_of
from segpp.datasets.find import DataSet
from segpp.datasets.labels import LabelRules, Labels, load_labels
from segpp.datasets.pairs import Pair, load_pair
from segpp.datasets.unknown_labels import check_known_labels, is_foreground
from segpp.images.channels import load_for
from segpp.images.fit import unseen_label
from segpp.images.preprocess import ImageArray
from segpp.manifest import Classes, InputSpec
from segpp.runtime.evaluation.confusion_matrix import ConfusionMatrix, count_pixels

__all__ = ["Truth", "truth_of"]

Masks = NDArray[Any]

# Nearly every data set marks pixels without a class like this.
_USUALLY_IGNORED = 255
# Those that a file of 16 bits can hold.
_NUMBERS = 1 << 16


@dataclass(frozen=True)
class Truth:
    """Labels of pictures.

    Attributes:
        files: The file of each picture's labels.
        rules: What their pixels mean.
        classes: How many there are.
        ignored: Labels whose pixels do not count.
    """

    files: Mapping[Path, Path]
    rules: LabelRules
    classes: int
    ignored: frozenset[int]

    @property
    def meaning(self) -> str:
        """What the numbers of the files mean, as one text."""
        return f"{self.rules} {self.classes} {sorted(self.ignored)}"

    def check(self) -> None:
        """Raise InputError for the first file with a label that is no class."""
        files = tuple(self.files.values())
        for path in files:
            labels = load_labels(path, self.rules)
            check_known_labels(labels, self.classes, self.ignored, path, self.rules, others=files)

    def of(self, picture: Path, spec: InputSpec) -> tuple[ImageArray, Labels]:
        """Return a picture (H, W, C) as an input takes it, and its labels (h, w)."""
        pair = Pair(picture, self.files[picture])
        image, labels = load_pair(pair, self.rules, read=partial(load_for, spec=spec))
        return image, labels

    def labels(self, picture: Path) -> Labels:
        """Return the class of each pixel (h, w) of a picture; -1 of those that do not count."""
        read = load_labels(self.files[picture], self.rules)
        known = (read >= 0) & (read < self.classes) & ~np.isin(read, [*self.ignored])
        return np.where(known, read, np.int32(-1))

    def count(self, labels: Labels, mask: Masks) -> NDArray[np.int64]:
        """Return the confusion matrix (K, K) of a mask; what a crop leaves out is not counted."""
        seen = mask != unseen_label(self.classes)
        return count_pixels(labels[seen], mask[seen], self.classes, self.ignored).matrix

    def miou(self, counts: NDArray[np.int64]) -> float:
        """Return the mean IoU of a confusion matrix (K, K) that several pictures summed up to."""
        return ConfusionMatrix(counts, self.ignored).miou


def truth_of(
    files: Mapping[Path, Path],
    classes: Classes,
    data: DataSet | None,
    *,
    label_map: str | None,
    ignored: Collection[int] | None,
    any_number: bool = False,
) -> Truth:
    """Return the labels of pictures, each looked at: after minutes of work it would be late.

    Args:
        files: The file of each picture's labels.
        classes: Of the model.
        data: The data set they are of, if that is known.
        label_map: A label map that goes before the data set's.
        ignored: Labels whose pixels do not count; the model's, the data set's and 255 if None.
        any_number: Take every number for a class, the model's or not.

    Raises:
        InputError: A label is no class.
    """
    count = len(classes.names)
    own = data.meant_for(count).ignored if data and not label_map else frozenset()
    rules = rules_of(classes, data, label_map)
    usual = {classes.ignore, *own, _USUALLY_IGNORED}
    if ignored is None and rules.counted and is_foreground(count, [*files.values()]):
        rules, usual = replace(rules, foreground=_USUALLY_IGNORED), usual - {_USUALLY_IGNORED}
    known = _NUMBERS if any_number else count
    truth = Truth(files, rules, known, frozenset(usual if ignored is None else ignored))
    truth.check()
    return truth
