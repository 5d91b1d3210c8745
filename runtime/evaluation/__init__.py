"""Scores of one or several models over labelled images, one image in memory at a time."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.datasets.labels import LabelRules
from segpp.datasets.pairs import Pair, Read, load_pair
from segpp.datasets.unknown_labels import check_known_labels
from segpp.errors import CheckError, ImageError, InputError
from segpp.images.channels import load_channels
from segpp.images.preprocess import ImageArray
from segpp.runtime.evaluation.confusion_matrix import ConfusionMatrix, count_pixels, empty_matrix

__all__ = ["Evaluation", "Score", "Segmenter", "Watch", "evaluate"]

# RGB uint8 (H, W, 3) to class numbers (h, w) of the size that is given, that of the labels.
# Logits are to be resized to it bilinearly before the argmax, as every published mIoU does.
Segmenter = Callable[[ImageArray, tuple[int, int]], NDArray[Any]]

# What is told of every image: its pair, its pixels, its labels and what each model gave.
Watch = Callable[[Pair, ImageArray, NDArray[np.int32], Sequence[NDArray[Any]]], object]


@dataclass(frozen=True)
class Score:
    """How one model did.

    Args:
        confusion: Pixel counts over all images; the scores are its properties.
        agreement: Share of all pixels, ignored ones included, with the first model's class.
        seconds: Time in the model over all images, preparation and resizing included.
        unseen: Labelled pixels that the model did not see; they count for nothing.
    """

    confusion: ConfusionMatrix
    agreement: float
    seconds: float
    unseen: int = 0


@dataclass(frozen=True)
class Evaluation:
    """How all models did over the same images.

    Args:
        scores: One per model, in their order.
        images: How many were evaluated.
        skipped: Why the others were not, a sentence each.
        ignored_pixels: How many pixels of these images have a label that does not count.
        ignored_by_label: The same for each such label that occurs.
    """

    scores: tuple[Score, ...]
    images: int
    skipped: tuple[str, ...]
    ignored_pixels: int = 0
    ignored_by_label: Mapping[int, int] = field(default_factory=dict)


def evaluate(
    models: Sequence[Segmenter],
    pairs: Iterable[Pair],
    *,
    classes: int,
    ignored: Collection[int] = (255,),
    unseen: int | None = None,
    rules: LabelRules | None = None,
    read: Read = load_channels,
    after_each: Callable[[], object] = lambda: None,
    watch: Watch = lambda _pair, _image, _truth, _predictions: None,
) -> Evaluation:
    """Run every model over the images and compare with the labels.

    An image that cannot be read is skipped, and told of in the result; one whose labels do not
    fit is an error, because then the others are probably wrong too.

    Args:
        models: Each takes an RGB image (H, W, 3) and the size of its labels, and gives class
            numbers of that size.
        pairs: The images with their labels; one is in memory at a time.
        classes: K, the same for all models.
        ignored: Labels whose pixels do not count.
        unseen: What models give for pixels that they do not see, if they may.
        rules: What the pixels of the label images mean; class numbers if None.
        read: Reads an image as all models take it.
        after_each: Called after every image, read or not.
        watch: Called with every image that was read, and what the models gave for it.

    Raises:
        InputError: Proportions differ, or labels or predictions are outside the classes.
        CheckError: No image could be read.
    """
    all_totals = [_ModelTotals(empty_matrix(classes, ignored)) for _ in models]
    images, skipped, left = 0, [], Counter[int]()
    pairs = list(pairs)
    files = [pair.labels for pair in pairs]
    for pair in pairs:
        try:
            image, truth = load_pair(pair, rules, read=read)
        except ImageError as failure:
            skipped.append(str(failure))
        else:
            check_known_labels(truth, classes, ignored, pair.labels, rules, others=files)
            left.update(_count(truth, ignored))
            watch(pair, image, truth, _add_image(all_totals, models, image, truth, unseen))
            images += 1
        after_each()
    if images == 0:
        raise CheckError("no image could be evaluated", *skipped)
    scores = tuple(totals.score() for totals in all_totals)
    uncounted = all_totals[0].pixels - scores[0].confusion.pixels
    return Evaluation(scores, images, tuple(skipped), uncounted, dict(sorted(left.items())))


def _count(truth: NDArray[np.int32], labels: Collection[int]) -> dict[int, int]:
    """Return how many pixels have each of some labels."""
    present, counts = np.unique(truth, return_counts=True)
    pairs = zip(present.tolist(), counts.tolist(), strict=True)
    return {label: count for label, count in pairs if label in labels}


@dataclass
class _ModelTotals:
    """What one model did so far; times in seconds."""

    confusion: ConfusionMatrix
    agreeing: int = 0
    pixels: int = 0
    compared: int = 0
    seconds: float = 0.0
    unseen: int = 0

    def run(self, model: Segmenter, image: ImageArray, size: tuple[int, int]) -> NDArray[Any]:
        start = time.perf_counter()
        labels = model(image, size)
        self.seconds += time.perf_counter() - start
        return labels

    def add(
        self,
        labels: NDArray[Any],
        first: NDArray[Any],
        truth: NDArray[np.int32],
        unseen: int | None,
    ) -> None:
        if labels.shape != truth.shape:
            raise InputError(f"a model gave labels {labels.shape} where {truth.shape} are known")
        self.pixels += labels.size
        # What no model saw is no agreement.
        both = (labels != unseen) & (first != unseen)
        self.agreeing += int(np.count_nonzero((labels == first) & both))
        self.compared += int(np.count_nonzero(both))
        classes, ignored = len(self.confusion.matrix), self.confusion.ignored
        if unseen is not None:
            seen = labels != unseen
            self.unseen += int(np.count_nonzero(~np.isin(truth[~seen], list(ignored))))
            truth, labels = truth[seen], labels[seen]
        self.confusion += count_pixels(truth, labels, classes, ignored)

    def score(self) -> Score:
        return Score(
            self.confusion, self.agreeing / max(self.compared, 1), self.seconds, self.unseen
        )


def _add_image(
    all_totals: Sequence[_ModelTotals],
    models: Sequence[Segmenter],
    image: ImageArray,
    truth: NDArray[np.int32],
    unseen: int | None,
) -> list[NDArray[Any]]:
    predictions: list[NDArray[Any]] = []
    for totals, model in zip(all_totals, models, strict=True):
        predictions.append(totals.run(model, image, truth.shape))
        # The first agrees with itself, so the column shows at once which one it is.
        totals.add(predictions[-1], predictions[0], truth, unseen)
    return predictions
