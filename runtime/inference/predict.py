"""The loop of segpp-run: read, segment, write, and carry on past a damaged image."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import ImageError
from segpp.images.preprocess import ImageArray
from segpp.runtime.inference.session import Session, Timing
from segpp.runtime.media.sources import Item, Source
from segpp.runtime.media.writers import Write

__all__ = ["Done", "Failed", "predict_all"]


@dataclass(frozen=True)
class Done:
    """One image whose outputs are written.

    Args:
        shares: Share of the pixels per class number.
        timing: This image's part of its batch.
    """

    item: Item
    size: tuple[int, int]
    shares: tuple[float, ...]
    timing: Timing
    outputs: list[Path]


@dataclass(frozen=True)
class Failed:
    """One image that could not be read."""

    item: Item
    problem: ImageError


def predict_all(session: Session, source: Source, write: Write) -> Iterator[Done | Failed]:
    """Yield what became of every image, in order, batch by batch.

    Raises:
        ImageError: The only image, or the whole of a video, cannot be read.
    """
    reached = False
    for batch in _batches(_loaded(source.items()), session.input.batch):
        loaded = [one for one in batch if not isinstance(one, Failed)]
        reached = reached or bool(loaded)
        for one in batch:
            if isinstance(one, Failed):
                if source.kind == "image" or (source.kind == "video" and not reached):
                    raise one.problem
                yield one
        if loaded:
            yield from _segment(session, loaded, write)
    if not reached and source.kind == "video":
        raise ImageError(f"the video {source.files[0]} has no frames")


def _segment(
    session: Session, loaded: list[tuple[Item, ImageArray]], write: Write
) -> Iterator[Done]:
    result = session([image for _, image in loaded])
    share = 1 / len(loaded)
    timing = Timing(
        result.timing.prepare_ms * share,
        result.timing.network_ms * share,
        result.timing.finish_ms * share,
    )
    count = len(session.classes.names)
    for (item, image), labels in zip(loaded, result.labels, strict=True):
        outputs = write(item.name, image, labels)
        yield Done(item, labels.shape, _shares(labels, count), timing, outputs)


def _shares(labels: NDArray[Any], classes: int) -> tuple[float, ...]:
    known = labels[(labels >= 0) & (labels < classes)]
    counts = np.bincount(known, minlength=classes)
    return tuple((counts / labels.size).tolist())


def _loaded(items: Iterable[Item]) -> Iterator[Failed | tuple[Item, ImageArray]]:
    for item in items:
        try:
            image = item.load()
        except ImageError as problem:  # noqa: PERF203 - one damaged image must not end the loop
            yield Failed(item, problem)
        else:
            yield item, image


def _batches(
    loaded: Iterable[Failed | tuple[Item, ImageArray]], size: int
) -> Iterator[list[Failed | tuple[Item, ImageArray]]]:
    """Group so that each group but the last has ``size`` readable images."""
    batch: list[Failed | tuple[Item, ImageArray]] = []
    for one in loaded:
        batch.append(one)
        if sum(not isinstance(entry, Failed) for entry in batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
