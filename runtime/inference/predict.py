"""The loop of segpp-run: read, segment, write, and carry on past a damaged image.

The three overlap: while one image is written, the next is in the network and the one after that is
being read. An engine has two in the network: a GPU works for the one while the other is prepared
and copied. NumPy, PyAV and the backends let other threads run while they work. Writing stays in
the caller's thread, where a window must be drawn and Ctrl-C arrives.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from errno import ENAMETOOLONG
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segpp.errors import ImageError, MissingError, OutputError, SegppError
from segpp.images.drawing.differences import share_different
from segpp.images.preprocess import ImageArray
from segpp.manifest import InputSpec
from segpp.runtime.inference.seeing import Seeing
from segpp.runtime.inference.session import Timing
from segpp.runtime.media.items import ImageItem, ImageName, ImageSource
from segpp.runtime.media.looks.base import Segmented
from segpp.runtime.media.overlap import ahead, at_once
from segpp.runtime.media.writers import Write

__all__ = ["FailedImage", "Prediction", "predict_all"]


@dataclass(frozen=True)
class Prediction:
    """One image whose outputs are written.

    Args:
        item: The image, without its pixels.
        size: Its height and width in pixels.
        shares: Share of the pixels per class number.
        timing: This image's part of its batch.
        outputs: The files that were written for it.
        different: Share of the pixels that a second network labels otherwise, if there is one.
        latency_ms: Of a live frame, from its coming to its mask.
    """

    item: ImageName
    size: tuple[int, int]
    shares: tuple[float, ...]
    timing: Timing
    outputs: list[Path]
    different: float | None = None
    latency_ms: float | None = None


@dataclass(frozen=True)
class FailedImage:
    """One image that could not be read, or its outputs not be written under its name; and why."""

    item: ImageName
    error: SegppError


@dataclass(frozen=True)
class _LoadedImage:
    """One image (H, W, C) that is yet to be segmented."""

    item: ImageName
    pixels: ImageArray


@dataclass(frozen=True)
class _SeenImage:
    """One image that is yet to be written, with its part of its batch's time."""

    item: ImageName
    shown: Segmented
    timing: Timing
    latency_ms: float | None


@dataclass(frozen=True)
class _SeenBatch:
    """What went through the network at once, and what failed before the last of it was read."""

    failed: list[FailedImage]
    seen: list[_SeenImage]


_Any = TypeVar("_Any")


def predict_all(
    seeing: Seeing, source: ImageSource, write: Write, *, overlapped: bool = True
) -> Generator[Prediction | FailedImage, None, None]:
    """Segment every image of a source and write its outputs, batch by batch.

    Args:
        seeing: The network, and what is wanted of it.
        source: The images.
        write: Writes one image's outputs, called in this thread.
        overlapped: Read, segment and write in three threads; a single image takes one.

    Yields:
        What became of each image, in order.

    Raises:
        ImageError: The only image, or the whole of a video, cannot be read; MissingError: it takes
            a package that is not installed.
        OutputError: An output cannot be written.
    """
    any_seen = False
    # A film whose beginning is damaged may be well from there on.
    early: list[FailedImage] = []
    stages = ahead if overlapped and source.kind != "image" else _in_turn
    loaded = _load_all(source.items(), seeing.session.input)
    count = 1
    if source.live is None:
        # A live frame is taken when the network is free for it, not one mask earlier.
        loaded = stages(loaded)
        count = seeing.at_once if stages is ahead else 1
    seen = _see_all(seeing, loaded, count)
    with closing(loaded), closing(stages(seen, source.stop)) as batches:
        for batch in batches:
            any_seen = any_seen or bool(batch.seen)
            early += batch.failed
            if early and source.kind == "image":
                raise early[0].error
            if any_seen or source.kind != "video":
                yield from early
                early = []
            for one in batch.seen:
                yield _write(seeing, one, write, alone=source.kind == "image")
    if early:
        raise early[0].error
    if not any_seen and source.kind == "video":
        what = f"the video {source.name} has no frames"
        raise ImageError(what if source.live is None else f"{source.name} was ended too early")


def _in_turn(
    items: Iterable[_Any], _stop: Callable[[], object] = lambda: None
) -> Generator[_Any, None, None]:
    yield from items


def _load_all(
    items: Iterable[ImageItem], spec: InputSpec
) -> Generator[FailedImage | _LoadedImage, None, None]:
    for item in items:
        try:
            yield _LoadedImage(item.named, item.pixels_for(spec))
        except (ImageError, MissingError) as failure:  # noqa: PERF203 - one must not end the loop
            yield FailedImage(item.named, failure)


def _see_all(
    seeing: Seeing, loaded: Iterable[FailedImage | _LoadedImage], count: int
) -> Generator[_SeenBatch, None, None]:
    """Segment batch by batch, ``count`` at a time where the network takes several."""
    yield from at_once(
        partial(_see_batch, seeing), _batches(loaded, seeing.session.input.batch), count
    )


def _see_batch(seeing: Seeing, batch: list[FailedImage | _LoadedImage]) -> _SeenBatch:
    images = [entry for entry in batch if isinstance(entry, _LoadedImage)]
    failed = [entry for entry in batch if isinstance(entry, FailedImage)]
    return _SeenBatch(failed, _see(seeing, images) if images else [])


def _see(seeing: Seeing, images: list[_LoadedImage]) -> list[_SeenImage]:
    shown, spent = seeing([image.pixels for image in images])
    now, timing = time.monotonic(), _per_image(spent, len(images))
    return [
        _SeenImage(image.item, one, timing, _milliseconds(image.item.captured, now))
        for image, one in zip(images, shown, strict=True)
    ]


def _milliseconds(start: float | None, end: float) -> float | None:
    return None if start is None else 1e3 * (end - start)


def _write(
    seeing: Seeing, seen: _SeenImage, write: Write, *, alone: bool
) -> Prediction | FailedImage:
    labels, others = seen.shown.labels, seen.shown.others
    try:
        outputs = write(seen.item, seen.shown)
    except OutputError as failure:
        if alone or not _is_about_the_name(failure):
            raise
        return FailedImage(seen.item, failure)
    different = None
    if others is not None:
        different = share_different(labels, others, unseen=seeing.unseen)
    return Prediction(
        seen.item,
        labels.shape,
        _shares(labels, len(seeing.session.classes.names)),
        seen.timing,
        outputs,
        different,
        seen.latency_ms,
    )


def _is_about_the_name(failure: OutputError) -> bool:
    # A full disk fails for every image, and this for one alone.
    return isinstance(failure.__cause__, OSError) and failure.__cause__.errno == ENAMETOOLONG


def _per_image(timing: Timing, count: int) -> Timing:
    # Of two calls at once the one waits for the other, which is no time of the network's.
    inference_ms = timing.device.total_ms if timing.device else timing.inference_ms
    return Timing(timing.preprocess_ms / count, inference_ms / count, timing.postprocess_ms / count)


def _shares(labels: NDArray[Any], classes: int) -> tuple[float, ...]:
    known = labels[(labels >= 0) & (labels < classes)]
    counts = np.bincount(known, minlength=classes)
    return tuple((counts / labels.size).tolist())


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
