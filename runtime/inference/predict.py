"""The loop of segpp-run: read, segment, write, and carry on past a damaged image."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from errno import ENAMETOOLONG
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import ImageError, OutputError, SegppError
from segpp.images.drawing.differences import share_different
from segpp.images.preprocess import ImageArray
from segpp.runtime.inference.seeing import Seeing
from segpp.runtime.inference.session import Timing
from segpp.runtime.media.sources import ImageItem, ImageSource
from segpp.runtime.media.writers import Write

__all__ = ["FailedImage", "Prediction", "predict_all"]


@dataclass(frozen=True)
class Prediction:
    """One image whose outputs are written.

    Args:
        item: The image.
        size: Its height and width in pixels.
        shares: Share of the pixels per class number.
        timing: This image's part of its batch.
        outputs: The files that were written for it.
        different: Share of the pixels that a second network labels otherwise, if there is one.
    """

    item: ImageItem
    size: tuple[int, int]
    shares: tuple[float, ...]
    timing: Timing
    outputs: list[Path]
    different: float | None = None


@dataclass(frozen=True)
class FailedImage:
    """One image that could not be read, or its outputs not be written under its name; and why."""

    item: ImageItem
    error: SegppError


@dataclass(frozen=True)
class _LoadedImage:
    """One image (H, W, C) that is yet to be segmented."""

    item: ImageItem
    pixels: ImageArray


def predict_all(
    seeing: Seeing, source: ImageSource, write: Write
) -> Iterator[Prediction | FailedImage]:
    """Segment every image of a source and write its outputs, batch by batch.

    Args:
        seeing: The network, and what is wanted of it.
        source: The images.
        write: Writes one image's outputs.

    Yields:
        What became of each image, in order.

    Raises:
        ImageError: The only image, or the whole of a video, cannot be read.
        OutputError: An output cannot be written.
    """
    any_loaded = False
    channels = seeing.session.input.channels
    for batch in _batches(_load_all(source.items(), channels), seeing.session.input.batch):
        loaded = [entry for entry in batch if isinstance(entry, _LoadedImage)]
        failed = [entry for entry in batch if isinstance(entry, FailedImage)]
        any_loaded = any_loaded or bool(loaded)
        if failed and (source.kind == "image" or (source.kind == "video" and not any_loaded)):
            raise failed[0].error
        yield from failed
        if loaded:
            yield from _predict_batch(seeing, loaded, write, alone=source.kind == "image")
    if not any_loaded and source.kind == "video":
        raise ImageError(f"the video {source.name} has no frames")


def _predict_batch(
    seeing: Seeing, loaded: list[_LoadedImage], write: Write, *, alone: bool
) -> Iterator[Prediction | FailedImage]:
    shown, time = seeing([entry.pixels for entry in loaded])
    timing = _per_image(time, len(loaded))
    classes = len(seeing.session.classes.names)
    for entry, one in zip(loaded, shown, strict=True):
        try:
            outputs = write(entry.item.name, one)
        except OutputError as failure:
            if alone or not _is_about_the_name(failure):
                raise
            yield FailedImage(entry.item, failure)
            continue
        labels, others = one.labels, one.others
        different = None
        if others is not None:
            different = share_different(labels, others, unseen=seeing.unseen)
        shares = _shares(labels, classes)
        yield Prediction(entry.item, labels.shape, shares, timing, outputs, different)


def _is_about_the_name(failure: OutputError) -> bool:
    # A full disk fails for every image, and this for one alone.
    return isinstance(failure.__cause__, OSError) and failure.__cause__.errno == ENAMETOOLONG


def _per_image(timing: Timing, count: int) -> Timing:
    return Timing(
        timing.preprocess_ms / count, timing.inference_ms / count, timing.postprocess_ms / count
    )


def _shares(labels: NDArray[Any], classes: int) -> tuple[float, ...]:
    known = labels[(labels >= 0) & (labels < classes)]
    counts = np.bincount(known, minlength=classes)
    return tuple((counts / labels.size).tolist())


def _load_all(items: Iterable[ImageItem], channels: int) -> Iterator[FailedImage | _LoadedImage]:
    for item in items:
        try:
            pixels = item.load(channels)
        except ImageError as failure:  # noqa: PERF203 - one damaged image must not end the loop
            yield FailedImage(item, failure)
        else:
            yield _LoadedImage(item, pixels)


def _batches(
    entries: Iterable[FailedImage | _LoadedImage], size: int
) -> Iterator[list[FailedImage | _LoadedImage]]:
    """Group so that each group but the last has ``size`` readable images."""
    batch: list[FailedImage | _LoadedImage] = []
    for entry in entries:
        batch.append(entry)
        if sum(isinstance(one, _LoadedImage) for one in batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
