"""Mean IoU of networks where there are labels: the teacher, and the student before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from segpp.export.models.base import Checkpoint
from segpp.export.models.network import Network
from segpp.images.postprocess import labels_from
from segpp.images.preprocess import ImageArray
from segpp.manifest import InputSpec, OutputSpec
from segpp.train.learning.world import World
from segpp.train.pictures.reading import network_input

__all__ = ["Scored", "Truth", "mious"]


class Truth(Protocol):
    """Labels of pictures, and how masks are counted against them."""

    @property
    def files(self) -> Mapping[Path, Path]:
        """The file of each picture's labels."""
        ...

    def of(self, picture: Path, spec: InputSpec) -> tuple[ImageArray, NDArray[np.int32]]:
        """Return a picture (H, W, C) and its labels (h, w)."""
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


def mious(
    networks: Sequence[Network],
    pictures: Sequence[Path],
    truth: Truth,
    *,
    checkpoint: Checkpoint,
    spec: InputSpec,
    world: World,
) -> list[float]:
    """Return the mean IoU of each network over all pictures together."""
    classes = max(2, checkpoint.architecture.classes)
    counts = np.zeros((len(networks), classes, classes), np.int64)
    for path in pictures[world.rank :: world.size]:
        image, labels = truth.of(path, spec)
        given = torch.from_numpy(network_input(image, spec)).to(world.device)
        for number, network in enumerate(networks):
            with torch.no_grad():
                logits = network(given).cpu().numpy()
            output = OutputSpec(
                "logits", "logits", logits.shape, "float32", checkpoint.align_corners
            )
            size = (labels.shape[0], labels.shape[1])
            [mask] = labels_from(logits, output, [size], classes, spec, pictures=[image.shape[:2]])
            counts[number] += truth.count(labels, mask)
    summed = np.array(world.total([float(n) for n in counts.ravel()])).reshape(counts.shape)
    return [truth.miou(one.astype(np.int64)) for one in summed]
