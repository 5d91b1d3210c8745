"""Mean IoU of networks where there are labels: of the teacher, and of a student at any time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segpp.export.models.base import Checkpoint
from segpp.export.models.network import Network
from segpp.images.postprocess import labels_from
from segpp.images.preprocess import ImageArray
from segpp.manifest import InputSpec, OutputSpec
from segpp.train.learning.world import World
from segpp.train.pictures.reading import network_input

__all__ = ["Scored", "Scorer", "Truth", "mious"]


class Truth(Protocol):
    """Labels of pictures, and how masks are counted against them."""

    @property
    def files(self) -> Mapping[Path, Path]:
        """The file of each picture's labels."""
        ...

    @property
    def meaning(self) -> str:
        """What the numbers of those files mean, other for others."""
        ...

    def of(self, picture: Path, spec: InputSpec) -> tuple[ImageArray, NDArray[np.int32]]:
        """Return a picture (H, W, C) and its labels (h, w)."""
        ...

    def labels(self, picture: Path) -> NDArray[np.int32]:
        """Return the class of each pixel (h, w); -1 of those that do not count."""
        ...

    def count(self, labels: NDArray[np.int32], mask: NDArray[Any]) -> NDArray[np.int64]:
        """Return the confusion matrix (K, K) of a mask."""
        ...

    def miou(self, counts: NDArray[np.int64]) -> float:
        """Return the mean IoU of summed matrices."""
        ...


@dataclass(frozen=True)
class Scored:
    """What a student is scored on where there are labels.

    Attributes:
        truth: The labels.
        pictures: Which, if not those held back.
        name: What they are called in the report.
    """

    truth: Truth
    pictures: tuple[Path, ...] | None = None
    name: str = "held back"


@dataclass(frozen=True)
class Scorer:
    """Counts masks against labels, as an evaluation of the exported file does.

    Attributes:
        truth: The labels.
        checkpoint: Whose classes they are.
        spec: What the networks take.
        world: The processes.
    """

    truth: Truth
    checkpoint: Checkpoint
    spec: InputSpec
    world: World

    @property
    def nothing(self) -> NDArray[np.int64]:
        """The matrix (K, K) of no picture."""
        classes = max(2, self.checkpoint.architecture.classes)
        return np.zeros((classes, classes), np.int64)

    def count(
        self, logits: Tensor, labels: NDArray[np.int32], picture: tuple[int, int]
    ) -> NDArray[np.int64]:
        """Return the confusion matrix (K, K) of a picture's logits.

        Args:
            logits: (1, K, h, w).
            labels: At a size of their own.
            picture: Its size in pixels.
        """
        given = logits.float().cpu().numpy()
        corners = self.checkpoint.align_corners
        output = OutputSpec("logits", "logits", given.shape, "float32", corners)
        size, classes = (labels.shape[0], labels.shape[1]), len(self.nothing)
        [mask] = labels_from(given, output, [size], classes, self.spec, pictures=[picture])
        return self.truth.count(labels, mask)

    def count_batch(self, logits: Tensor, pictures: Sequence[Path]) -> NDArray[np.int64]:
        """Return the confusion matrix of the logits (B, K, h, w) of so many pictures."""
        counts = self.nothing
        for number, path in enumerate(pictures):
            image, labels = self.truth.of(path, self.spec)
            size = (image.shape[0], image.shape[1])
            counts += self.count(logits[number : number + 1], labels, size)
        return counts

    def miou(self, counts: NDArray[np.int64]) -> float:
        """Return the mean IoU of the matrices of all processes."""
        summed = self.world.total([float(number) for number in counts.ravel()])
        return self.truth.miou(np.array(summed).reshape(counts.shape).astype(np.int64))


def mious(networks: Sequence[Network], pictures: Sequence[Path], scorer: Scorer) -> list[float]:
    """Return the mean IoU of each network over all pictures together."""
    spec, world = scorer.spec, scorer.world
    counts = [scorer.nothing for _ in networks]
    for path in pictures[world.rank :: world.size]:
        image, labels = scorer.truth.of(path, spec)
        given = torch.from_numpy(network_input(image, spec)).to(world.device)
        for number, network in enumerate(networks):
            with torch.no_grad():
                logits = network(given)
            counts[number] += scorer.count(logits, labels, (image.shape[0], image.shape[1]))
    return [scorer.miou(one) for one in counts]
