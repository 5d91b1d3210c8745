"""A network ready to run: images in, class numbers out, the same for every backend."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segpp.errors import ImageError, InputError
from segpp.images.fit import misfit, unseen_label
from segpp.images.postprocess import (
    check_finite,
    check_no_probabilities,
    labels_from,
    planes_first,
    resize_labels,
)
from segpp.images.preprocess import (
    IMAGE_DIMENSIONS,
    ImageArray,
    ImageLike,
    prepare,
    stack_frames,
)
from segpp.images.tiles import Windows, joined_rows, tile_misfit, tile_rows
from segpp.manifest import Classes, InputSpec, Manifest, OutputSpec
from segpp.runtime.backends.base import Backend
from segpp.runtime.inference.precision_check import PrecisionCheck
from segpp.runtime.inference.result import Result, Timing
from segpp.utils import arguments

__all__ = ["AfterTiles", "Result", "Session", "Timing"]

T = TypeVar("T")

AfterTiles = Callable[[int, int], object]

# A folder of photographs may have a hundred shapes.
_MOST_SHAPES = 3
_OTHERS = "pictures of other shapes do not fit the network either"


class Session(AbstractContextManager["Session"]):
    """A loaded network with its manifest; close it, or use it in a ``with`` block.

    Args:
        backend: The loaded network; closed with the session.
        backend_name: Its name in ``BACKENDS``.
        manifest: The file's, or what was assumed for want of one (``assumed`` tells).
        threads: CPU threads; None for the library's choice.
        precision_check: What the first labels must pass, where they come from a lower precision.
        overlap: Cut pictures into tiles that share so much of a side; None fits them as a whole.
        notes: What the file itself gives reason to say.

    Attributes:
        notes: What the pictures so far gave reason to say, a sentence each.
        after_tiles: Called with how many tiles of a picture are done, and of how many; to be set.
    """

    def __init__(
        self,
        backend: Backend,
        backend_name: str,
        manifest: Manifest,
        *,
        assumed: bool = False,
        precision_check: PrecisionCheck | None = None,
        overlap: float | None = None,
        threads: int | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self._open_backend: Backend | None = backend
        self._description = backend.description
        self.notes = self._file_notes = notes
        self._noting = threading.Lock()
        self.after_tiles: AfterTiles = lambda _done, _total: None
        self._overlap = overlap
        self.threads = threads
        self._precision_check = precision_check
        self.backend_name = backend_name
        self.manifest = manifest
        self.assumed = assumed
        # Until the first values are seen.
        self._is_doubtful = assumed

    @property
    def input(self) -> InputSpec:
        """How images become the input tensor."""
        return self.manifest.input

    @property
    def classes(self) -> Classes:
        """Names and colours of the classes."""
        return self.manifest.classes

    @property
    def description(self) -> str:
        """The backend's library, version and device in words."""
        return self._description

    @property
    def backend_notes(self) -> tuple[str, ...]:
        """What the library that runs it gave reason to say."""
        return self._backend.notes

    @property
    def at_once(self) -> int:
        """How many calls the backend can have under way, for callers in threads."""
        # The first labels are compared with FP32's before there is a second call.
        return 1 if self._precision_check else self._backend.at_once

    @property
    def _backend(self) -> Backend:
        if self._open_backend is None:
            raise InputError("the session is closed", hint="call it inside its with block")
        return self._open_backend

    @property
    def fit(self) -> str:
        """How pictures fill the input: ``stretch``, ``letterbox``, ``crop``, or ``tiles 0.25``."""
        return self.input.fit if self._overlap is None else f"tiles {self._overlap:.2g}"

    @property
    def unseen(self) -> int | None:
        """The label of what a crop leaves out, None where there is no crop."""
        return unseen_label(len(self.classes.names)) if self.fit == "crop" else None

    def __call__(
        self,
        images: ImageLike | Sequence[ImageLike],
        *,
        logits: bool = False,
        sizes: Sequence[tuple[int, int]] | None = None,
    ) -> Result:
        """Segment one image or a batch of any length.

        Args:
            images: One RGB image uint8 (H, W, C), a batch (B, H, W, C), or a list of images of
                any sizes. For networks that take several frames at once, an image in the list
                may itself be a list of frames.
            logits: Return the logits too.
            sizes: Height and width of each mask, where that is not the image's own.

        Raises:
            ImageError: Something is not such an image.
            InputError: ``logits``, but the network gives only labels, or sees tiles; or the session
                is closed.
            CheckError: The network gave infinities or not-a-numbers; or in a lower precision its
                labels for the first images are too far from those in FP32.
        """
        listed = _as_list(images)
        arguments.flag("logits", logits)
        if sizes is not None and len(sizes) != len(listed):
            raise InputError(f"{len(sizes)} sizes are given for {len(listed)} images")
        if self._overlap is not None:
            if logits:
                raise InputError("a picture in tiles has no logits of its own")
            wanted: Sequence[tuple[int, int] | None] = sizes or [None] * len(listed)
            pairs = zip(listed, wanted, strict=True)
            parts = [self._run_tiles(one, size) for one, size in pairs]
            self._note_misfits(listed)
            return _concatenate(parts)
        output = _choose_output(self.manifest.outputs, logits=logits)
        step = self.input.batch
        batches = [slice(first, first + step) for first in range(0, len(listed), step)]
        results = [
            self._run_batch(listed[b], sizes and sizes[b], output, logits=logits) for b in batches
        ]
        self._note_misfits(listed)
        return _concatenate(results)

    def run_raw(self, tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return every output for a prepared input tensor, by name, as the network gives it.

        Args:
            tensor: Of the shape and type of ``input``: (B, C, H, W) or (B, H, W, C).

        Raises:
            InputError: The tensor has not the input's shape and type, or the session is closed.
        """
        spec = self.input
        takes = f"the network takes {spec.dtype} {spec.shape}"
        if not isinstance(tensor, np.ndarray):
            raise InputError(f"the tensor is a {type(tensor).__name__}", takes)
        if tensor.shape != spec.shape or tensor.dtype != spec.dtype:
            raise InputError(f"the tensor is {tensor.dtype} {tensor.shape}", takes)
        names = [output.name for output in self.manifest.outputs]
        return dict(zip(names, self._backend.run({spec.name: tensor}, names), strict=True))

    def close(self) -> None:
        """Give back the network's memory; a closed session runs no more."""
        backend, self._open_backend = self._open_backend, None
        if backend is not None:
            backend.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run_batch(
        self,
        images: Sequence[ImageLike],
        sizes: Sequence[tuple[int, int]] | None,
        output: OutputSpec,
        *,
        logits: bool,
    ) -> Result:
        """Segment at most as many images as the network takes at once."""
        tensor, preprocess_ms = _timed(self._preprocess, images)
        # Not before: what is no image has no size.
        own = [_size_of(image) for image in images]
        sizes = sizes or own
        raw, inference_ms = _timed(self._infer, tensor, output)
        labels, postprocess_ms = _timed(self._postprocess, raw, sizes, output, own)
        # Not timed: it happens once, and computes everything a second time.
        self._check_precision(tensor, sizes, output, labels, own)
        # Of this thread's call, whoever else calls the session.
        timing = Timing(preprocess_ms, inference_ms, postprocess_ms, self._backend.device_times)
        kept = None
        if logits:
            kept = planes_first(raw[: len(images)], output).astype(np.float32, copy=False)
        return Result(labels, kept, timing, self.classes.palette)

    def _preprocess(self, images: Sequence[ImageLike]) -> NDArray[Any]:
        # The batch is fixed in the file; a last, smaller one repeats its last image.
        padding = [images[-1]] * (self.input.batch - len(images))
        return prepare([*images, *padding], self.input)

    def _infer(self, tensor: NDArray[Any], output: OutputSpec) -> NDArray[Any]:
        [raw] = self._backend.run({self.input.name: tensor}, [output.name])
        if self._is_doubtful and output.kind == "logits" and output.channels == 1:
            check_no_probabilities(raw, output)
        self._is_doubtful = False
        return raw

    def _postprocess(
        self,
        raw: NDArray[Any],
        sizes: Sequence[tuple[int, int]],
        output: OutputSpec,
        pictures: Sequence[tuple[int, int]],
    ) -> tuple[NDArray[Any], ...]:
        count = len(self.classes.names)
        return labels_from(raw, output, sizes, count, self.input, pictures=pictures)

    def tile_rows(self, picture: Windows) -> tuple[Iterator[NDArray[Any]], Callable[[], Timing]]:
        """Return the labels of a picture in tiles, rows (h, W) as they come, and their time so far.

        Args:
            picture: (H, W, C) of any size: an array, or a file that is read by windows.

        Raises:
            InputError: The session has no tiles, or the network gives labels only.
        """
        if self._overlap is None:
            raise InputError("the session has no tiles", hint="open it with `tile=True`")
        output = _choose_output(self.manifest.outputs, logits=True)
        spent = {"preprocess": 0.0, "inference": 0.0}
        start = time.perf_counter()

        def logits_of(tiles: Sequence[ImageArray]) -> NDArray[np.float32]:
            tensor, preprocess_ms = _timed(self._preprocess, tiles)
            raw, inference_ms = _timed(self._infer, tensor, output)
            spent["preprocess"] += preprocess_ms
            spent["inference"] += inference_ms
            check_finite(raw)
            if self._precision_check:
                own = [_size_of(tile) for tile in tiles]
                labels = self._postprocess(raw, own, output, own)
                self._check_precision(tensor, own, output, labels, own)
            return planes_first(raw, output).astype(np.float32, copy=False)

        def timing() -> Timing:
            total_ms = 1e3 * (time.perf_counter() - start)
            rest_ms = total_ms - sum(spent.values())
            return Timing(spent["preprocess"], spent["inference"], rest_ms)

        rows = tile_rows(
            picture,
            self.input,
            logits_of,
            overlap=self._overlap,
            align_corners=output.align_corners,
            after_each=self.after_tiles,
        )
        return rows, timing

    def _run_tiles(self, image: ImageLike, size: tuple[int, int] | None) -> Result:
        """Segment one image, tile by tile."""
        picture = stack_frames(image, self.input.channels)
        rows, timing = self.tile_rows(picture)
        labels = joined_rows(rows, picture.shape[:2])
        mask = labels if size is None else resize_labels(labels, size)
        return Result((mask,), None, timing(), self.classes.palette)

    def _note_misfits(self, images: Sequence[ImageLike]) -> None:
        """Say once for each of the first shapes what the fit costs pictures of it."""
        look = misfit if self._overlap is None else tile_misfit
        with self._noting:
            for image in images:
                if _OTHERS in self.notes:
                    return
                note = look(_size_of(image), self.input)
                if note and note not in self.notes:
                    is_full = len(self.notes) - len(self._file_notes) == _MOST_SHAPES
                    self.notes = (*self.notes, _OTHERS if is_full else note)

    def _check_precision(
        self,
        tensor: NDArray[Any],
        sizes: Sequence[tuple[int, int]],
        output: OutputSpec,
        labels: tuple[NDArray[Any], ...],
        pictures: Sequence[tuple[int, int]],
    ) -> None:
        """Compare the first labels in a lower precision with FP32; once passed, never again."""
        if self._precision_check:
            labels_of = partial(self._postprocess, sizes=sizes, output=output, pictures=pictures)
            self._precision_check.check({self.input.name: tensor}, output.name, labels_of, labels)
            self._precision_check = None


def _as_list(images: ImageLike | Sequence[ImageLike]) -> list[ImageLike]:
    # Of a batch the images are checked; any other array is shown as the caller gave it.
    if isinstance(images, np.ndarray) and images.ndim != IMAGE_DIMENSIONS + 1:
        return [images]
    try:
        listed: list[ImageLike] = list(images)
    except TypeError as failure:
        raise ImageError(
            f"an image must be uint8 (H, W, C), not a {type(images).__name__}",
            hint="segpp.load_image reads files; numpy.asarray takes Pillow's images",
        ) from failure
    if not listed:
        raise ImageError("there is no image in the batch")
    return listed


def _size_of(image: ImageLike) -> tuple[int, int]:
    frame = image if isinstance(image, np.ndarray) else image[0]
    return frame.shape[0], frame.shape[1]


def _choose_output(outputs: tuple[OutputSpec, ...], *, logits: bool) -> OutputSpec:
    """Return the output to compute: ready labels if there are any, else logits."""
    by_kind = {output.kind: output for output in outputs}
    if not logits:
        return by_kind.get("labels") or by_kind["logits"]
    if "logits" not in by_kind:
        raise InputError("the network gives labels, not logits", hint="export it without argmax")
    return by_kind["logits"]


def _timed(function: Callable[..., T], *arguments: object) -> tuple[T, float]:
    """Return what a call gives, and its wall time in milliseconds."""
    start = time.perf_counter()
    result = function(*arguments)
    return result, 1e3 * (time.perf_counter() - start)


def _concatenate(parts: Sequence[Result]) -> Result:
    """Return the results of several batches as one."""
    timing = Timing(
        sum(part.timing.preprocess_ms for part in parts),
        sum(part.timing.inference_ms for part in parts),
        sum(part.timing.postprocess_ms for part in parts),
        parts[0].timing.device if len(parts) == 1 else None,
    )
    logits = [part.logits for part in parts if part.logits is not None]
    masks = tuple(mask for part in parts for mask in part.masks)
    joined = np.concatenate(logits) if logits else None
    return Result(masks, joined, timing, parts[0].palette)
