"""The images that a model does worst on, kept as small pictures while all are evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.datasets.labels import Labels
from segpp.images.channels import as_rgb
from segpp.images.drawing.dark import lifted
from segpp.images.drawing.differences import mark_differences, share_different
from segpp.images.palette import Color, overlay
from segpp.images.preprocess import ImageArray
from segpp.runtime.html_report.page import thumbnail

__all__ = ["WorstImage", "WorstImages"]

# The rest of a page's pictures would be of models that nobody told apart any more.
_MOST_MODELS = 4
_ALPHA = 0.6


@dataclass(frozen=True)
class WorstImage:
    """One image that went badly.

    Args:
        name: Of its file.
        accuracies: Share of its counted pixels that each model labels rightly.
        pictures: What is seen, and the picture as an address that holds it.
    """

    name: str
    accuracies: tuple[float, ...]
    pictures: tuple[tuple[str, str], ...]


@dataclass
class WorstImages:
    """Those of the lowest pixel accuracy, by the worst of the models; at most ``limit``.

    Args:
        limit: How many are kept.
        palette: A colour for each class.
        ignored: Labels whose pixels do not count.
        models: A name for each model.
    """

    limit: int
    palette: tuple[Color, ...]
    ignored: frozenset[int]
    models: tuple[str, ...]
    kept: list[WorstImage] = field(default_factory=list)

    def add(
        self, name: str, image: ImageArray, truth: Labels, predictions: Sequence[NDArray[Any]]
    ) -> None:
        """Keep an image (H, W, C) with its labels, of another size perhaps, if among the worst."""
        if self.limit == 0:
            return
        counted = ~np.isin(truth, list(self.ignored))
        if not counted.any():
            return
        right = tuple(1 - share_different(truth, one, counted) for one in predictions)
        if len(self.kept) == self.limit and min(right) >= min(self.kept[-1].accuracies):
            return
        drawn = self._drawn(_at(truth.shape, image), truth, predictions, counted)
        self.kept.append(WorstImage(name, right, tuple(drawn)))
        self.kept.sort(key=lambda one: min(one.accuracies))
        del self.kept[self.limit :]

    def _drawn(
        self,
        image: ImageArray,
        truth: Labels,
        predictions: Sequence[NDArray[Any]],
        counted: NDArray[np.bool_],
    ) -> list[tuple[str, str]]:
        bright = lifted(image)
        shown = np.where(counted, truth, -1)
        drawn = [("input", image)]
        for name, labels in list(zip(self.models, predictions, strict=True))[:_MOST_MODELS]:
            of = f" of {name}" if len(self.models) > 1 else ""
            drawn.append((f"prediction{of}", overlay(bright, labels, self.palette, _ALPHA)))
            drawn.append((f"errors{of}", mark_differences(image, truth, labels, counted)))
        # Before a second model's, so that in rows of three the models stand below each other.
        drawn.insert(3, ("labels", overlay(bright, shown, self.palette, _ALPHA)))
        return [(title, thumbnail(picture)) for title, picture in drawn]


def _at(size: tuple[int, ...], image: ImageArray) -> ImageArray:
    """Return an image (H, W, C) as RGB at the size of its labels."""
    shown = as_rgb(image)
    if shown.shape[:2] == size:
        return shown
    return np.asarray(Image.fromarray(shown).resize((size[1], size[0])))
