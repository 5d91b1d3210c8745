"""Batches to learn from: which pictures, in which order, varied how, follows from the step alone.

No generator is carried from step to step, so that a training that goes on after it was killed sees
what it would have seen, and every process of several draws its own part of the same batch.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segpp.errors import ImageError
from segpp.train.pictures.augment import augmented, augmented_pair
from segpp.train.pictures.labelled import LabelReader
from segpp.train.pictures.reading import Reader, left_out, network_input

__all__ = ["Batch", "Batches"]

# What a generator is for, so that no two have the same numbers.
_ORDER, _VARIATION = 0, 1
# If that many in a row cannot be read, something else is wrong.
_MOST_SPARE = 8


class Batch(NamedTuple):
    """What a step learns on.

    Attributes:
        images: (B, C, H, W), normalised.
        labels: Class of each pixel (B, H, W), -1 where none counts; None without labels.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Batches:
    """All batches of a training.

    Attributes:
        pictures: To learn from.
        reader: Reads them.
        size: Pictures of a batch, over all processes.
        seed: Of order and variation.
        rank: Of this process.
        processes: How many there are; they divide ``size``.
        labels: Reads their labels, where these are learned from.
        unreadable: Those that were found not to be readable.
    """

    pictures: Sequence[Path]
    reader: Reader
    size: int
    seed: int
    rank: int = 0
    processes: int = 1
    labels: LabelReader | None = None
    unreadable: set[Path] = field(default_factory=set)

    def at(self, step: int) -> Batch:
        """Return this process's part of a batch, size / processes pictures."""
        share = self.size // self.processes
        first = step * self.size + self.rank * share
        return _joined([self._picture(place) for place in range(first, first + share)])

    @contextmanager
    def from_step(self, step: int) -> Iterator[Iterator[Batch]]:
        """Yield the batches from a step on; the next is made while one is used."""
        with ThreadPoolExecutor(1) as worker:
            yield self._ahead(worker, step)

    def _ahead(self, worker: ThreadPoolExecutor, step: int) -> Iterator[Batch]:
        waiting = worker.submit(self.at, step)
        for following in count(step + 1):
            batch = waiting.result()
            waiting = worker.submit(self.at, following)
            yield batch

    def _picture(self, place: int) -> Batch:
        """Return the picture at a place in the endless row of all that are learned from.

        For one that cannot be read the next stands in.

        Raises:
            ImageError: Many in a row cannot be read.
        """
        spare = place
        while True:
            path = self._path(spare)
            try:
                return self._made(path, np.random.default_rng((self.seed, _VARIATION, place)))
            except ImageError as failure:
                spare += 1
                self._tell(path, failure)
                if spare - place == _MOST_SPARE:
                    raise

    def _made(self, path: Path, draw: np.random.Generator) -> Batch:
        picture, spec = self.reader(path), self.reader.spec
        if self.labels is None:
            return Batch(network_input(augmented(picture, draw), spec))
        own = self.labels.of(path, picture.shape[:2])
        image, labels = augmented_pair(picture, own, draw)
        return Batch(network_input(image, spec), self.labels.as_input(labels)[None])

    def _path(self, place: int) -> Path:
        epoch, number = divmod(place, len(self.pictures))
        order = np.random.default_rng((self.seed, _ORDER, epoch)).permutation(len(self.pictures))
        return self.pictures[int(order[number])]

    def _tell(self, path: Path, failure: ImageError) -> None:
        if path not in self.unreadable:
            self.unreadable.add(path)
            left_out(failure)


def _joined(parts: Sequence[Batch]) -> Batch:
    labels = [part.labels for part in parts if part.labels is not None]
    images = np.concatenate([part.images for part in parts])
    return Batch(images, np.concatenate(labels) if labels else None)
