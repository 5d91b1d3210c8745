"""A network ready to run: images in, class numbers out, the same for every backend."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from math import prod
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segpp.errors import ImageError, InputError
from segpp.images.fit import check_fit, misfit
from segpp.images.postprocess import check_finite, labels_from, planes_first, resize_labels
from segpp.images.preprocess import (
    IMAGE_DIMENSIONS,
    ImageArray,
    ImageLike,
    prepare,
    stack_frames,
)
from segpp.images.tiles import OVERLAP, check_overlap, tile_labels
from segpp.manifest import Classes, InputSpec, Manifest, OutputSpec, read_manifest
from segpp.runtime.backends.base import BACKENDS, Backend, BackendConfig, BackendSpec, backends_for
from segpp.runtime.inference.precision_check import MIN_AGREEMENT, PrecisionCheck
from segpp.runtime.inference.result import Result, Timing
from segpp.runtime.inference.signature import check_signature, infer_manifest
from segpp.runtime.system.hardware import available_memory
from segpp.runtime.system.packages import is_installed
from segpp.utils import arguments
from segpp.utils.choices import check_choice
from segpp.utils.file_type import ENGINE_SUFFIXES, kind_of
from segpp.utils.files import check_file, manifest_path
from segpp.utils.limits import check_threads, default_threads

__all__ = ["Result", "Session", "Timing", "open_session"]

T = TypeVar("T")


class Session(AbstractContextManager["Session"]):
    """A loaded network with its manifest; close it, or use it in a ``with`` block.

    Args:
        backend: The loaded network; closed with the session.
        backend_name: Its name in ``BACKENDS``.
        manifest: The file's, or what was assumed for want of one (``assumed`` tells).
        threads: CPU threads; None for the library's choice.
        precision_check: What the first labels must pass, where they come from a lower precision.
        overlap: Cut pictures into tiles that share so much of a side; None fits them as a whole.

    Attributes:
        notes: What the pictures so far gave reason to say, a sentence each.
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
    ) -> None:
        self._open_backend: Backend | None = backend
        self._description = backend.description
        self.notes: tuple[str, ...] = ()
        self._overlap = overlap
        self.threads = threads
        self._precision_check = precision_check
        self.backend_name = backend_name
        self.manifest = manifest
        self.assumed = assumed

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
    def _backend(self) -> Backend:
        if self._open_backend is None:
            raise InputError("the session is closed", hint="call it inside its with block")
        return self._open_backend

    @property
    def fit(self) -> str:
        """How pictures fill the input: ``stretch``, ``letterbox``, ``crop``, or ``tiles 0.25``."""
        return self.input.fit if self._overlap is None else f"tiles {self._overlap:.2g}"

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
            return _concatenate([self._run_tiles(one, size, self._overlap) for one, size in pairs])
        output = _choose_output(self.manifest.outputs, logits=logits)
        step = self.input.batch
        batches = [slice(first, first + step) for first in range(0, len(listed), step)]
        results = [
            self._run_batch(listed[b], sizes and sizes[b], output, logits=logits) for b in batches
        ]
        self._note_misfit(listed)
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
        sizes = sizes or [_size_of(image) for image in images]
        raw, inference_ms = _timed(self._infer, tensor, output)
        labels, postprocess_ms = _timed(self._postprocess, raw, sizes, output)
        # Not timed: it happens once, and computes everything a second time.
        self._check_precision(tensor, sizes, output, labels)
        timing = Timing(preprocess_ms, inference_ms, postprocess_ms)
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
        return raw

    def _postprocess(
        self, raw: NDArray[Any], sizes: Sequence[tuple[int, int]], output: OutputSpec
    ) -> tuple[NDArray[Any], ...]:
        return labels_from(raw, output, sizes, len(self.classes.names), self.input)

    def _run_tiles(self, image: ImageLike, size: tuple[int, int] | None, overlap: float) -> Result:
        """Segment one image, tile by tile."""
        output = _choose_output(self.manifest.outputs, logits=True)
        spent = {"preprocess": 0.0, "inference": 0.0}

        def logits_of(tiles: Sequence[ImageArray]) -> NDArray[np.float32]:
            tensor, preprocess_ms = _timed(self._preprocess, tiles)
            raw, inference_ms = _timed(self._infer, tensor, output)
            spent["preprocess"] += preprocess_ms
            spent["inference"] += inference_ms
            check_finite(raw)
            if self._precision_check:
                own = [_size_of(tile) for tile in tiles]
                labels = self._postprocess(raw, own, output)
                self._check_precision(tensor, own, output, labels)
            return planes_first(raw, output).astype(np.float32, copy=False)

        picture = stack_frames(image, self.input.channels)
        corners = output.align_corners
        cut = partial(tile_labels, overlap=overlap, align_corners=corners)
        labels, total_ms = _timed(cut, picture, self.input, logits_of)
        preprocess_ms, inference_ms = spent.values()
        timing = Timing(preprocess_ms, inference_ms, total_ms - preprocess_ms - inference_ms)
        mask = labels if size is None else resize_labels(labels, size)
        return Result((mask,), None, timing, self.classes.palette)

    def _note_misfit(self, images: Sequence[ImageLike]) -> None:
        """Say once what the fit costs a picture of another shape than the network's."""
        if not self.notes:
            found = (misfit(_size_of(image), self.input) for image in images)
            self.notes = tuple(islice(filter(None, found), 1))

    def _check_precision(
        self,
        tensor: NDArray[Any],
        sizes: Sequence[tuple[int, int]],
        output: OutputSpec,
        labels: tuple[NDArray[Any], ...],
    ) -> None:
        """Compare the first labels in a lower precision with FP32; once passed, never again."""
        if self._precision_check:
            labels_of = partial(self._postprocess, sizes=sizes, output=output)
            self._precision_check.check({self.input.name: tensor}, output.name, labels_of, labels)
            self._precision_check = None


def open_session(
    path: Path | str,
    *,
    backend: str = "auto",
    threads: int | None = None,
    provider: str | None = None,
    spinning: bool = True,
    alone: bool = True,
    precision: str = "fp32",
    min_agreement: float | None = MIN_AGREEMENT,
    cache: bool = True,
    fit: str | None = None,
    tile: bool = False,
    overlap: float | None = None,
    output_name: str | None = None,
) -> Session:
    """Load a network with the manifest beside it.

    Without a manifest it works if the file has one static image input and outputs that are
    logits or labels; the rest is assumed, and ``session.assumed`` is true.

    Args:
        path: The network, an ONNX file.
        backend: The library that runs it, "auto" for the one that fits the file.
        threads: CPU threads; if not given the library's choice, or as many as the CPUs that the
            process may use, where these are not all.
        provider: Device or execution provider of the library ("cpu", "cuda").
        spinning: Let idle threads spin, which is faster.
        alone: Let them go on after a call; False where another network has its turn then.
        precision: What the file's FP32 is computed in: "fp32", or "bf16" where library and CPU
            can.
        min_agreement: Share of pixels that a lower precision must label as FP32 does, on the
            first images, for which both are computed; None does without.
        cache: Keep what openvino compiles in ``x.onnx.cache`` beside the file.
        fit: How pictures fill the input, instead of the manifest's way: one of ``FITS``.
        tile: Cut pictures into tiles of the input's size instead.
        overlap: What neighbouring tiles share of a side; a quarter if not given.
        output_name: The output to make masks of, where there are several; labels if there are any,
            else logits.

    Raises:
        GraphError: The file is damaged, or not a segmentation network with fixed shapes.
        InputError: An argument is wrong.
        ManifestError: The manifest is damaged, or about another file.
        MissingError: The library or the provider is not installed.
    """
    path = Path(path)
    check_file(path, kind="model")
    if threads is not None:
        check_threads(threads)
    share = _check_tiles(fit, overlap, tile=tile)
    manifest = read_manifest(path) if manifest_path(path).exists() else None
    name = _resolve_backend(backend, path, manifest)
    used = default_threads() if threads is None else threads
    config = BackendConfig(
        used, provider, spinning, alone, precision, cache, threads_asked_for=threads is not None
    )
    with ExitStack() as on_failure:
        loaded = BACKENDS[name].open(path, config)
        on_failure.callback(loaded.close)
        if manifest:
            check_signature(path, manifest, loaded)
            described = _choosing(path, manifest, output_name)
        else:
            described = infer_manifest(path, loaded, output_name=output_name)
        _check_memory(path, described)
        session = Session(
            loaded,
            name,
            _refitted(described, path, fit, tile=tile),
            assumed=manifest is None,
            overlap=share,
            precision_check=_precision_check(BACKENDS[name], path, config, min_agreement),
            threads=used,
        )
        on_failure.pop_all()
    return session


def _check_tiles(fit: str | None, overlap: float | None, *, tile: bool) -> float | None:
    """Return how much tiles overlap, None without tiles; raise InputError for a contradiction."""
    if not tile:
        if overlap is not None:
            raise InputError("an overlap goes with tiles", hint="--tile --overlap 0.25")
        return None
    if fit is not None:
        raise InputError(f"tiles are not fitted, and {fit} was asked for", hint="leave one out")
    check_overlap(share := OVERLAP if overlap is None else overlap)
    return share


def _refitted(manifest: Manifest, path: Path, fit: str | None, *, tile: bool) -> Manifest:
    """Return the manifest with the fit that was asked for."""
    if tile and all(output.kind == "labels" for output in manifest.outputs):
        raise InputError(
            f"{path} gives labels only, and what tiles share is blended as logits",
            hint="export it with --outputs logits or both",
        )
    if fit is None:
        return manifest
    spec = replace(manifest.input, fit=check_fit(fit))
    return replace(manifest, input=spec, origins={**manifest.origins, "fit": "given"})


def _check_memory(path: Path, manifest: Manifest) -> None:
    """Raise InputError for an input and outputs that no call could hold."""
    spec, free = manifest.input, available_memory()
    # An input is float32 while it is prepared, whatever the network takes.
    sizes = [4 * prod(spec.shape), *(4 * prod(output.shape) for output in manifest.outputs)]
    if free is not None and sum(sizes) > free:
        raise InputError(
            f"{path} takes {_shape_text(spec.shape)}: its input and outputs alone are "
            f"{sum(sizes) / 1e9:,.1f} GB",
            f"free memory: {free / 1e9:,.1f} GB",
            hint="export it at a smaller --size or --batch",
        )


def _shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _choosing(path: Path, manifest: Manifest, output_name: str | None) -> Manifest:
    """Return the manifest with the output that the caller chose alone, if he chose one."""
    if output_name is None:
        return manifest
    chosen = tuple(output for output in manifest.outputs if output.name == output_name)
    if not chosen:
        names = ", ".join(f"{output.name} ({output.kind})" for output in manifest.outputs)
        raise InputError(f"{path} has no output {output_name!r}", f"its manifest names: {names}")
    return replace(manifest, outputs=chosen)


def _precision_check(
    spec: BackendSpec, path: Path, config: BackendConfig, min_agreement: float | None
) -> PrecisionCheck | None:
    if config.precision == "fp32" or min_agreement is None:
        return None
    exact = replace(config, precision="fp32", cache=False)
    return PrecisionCheck(partial(spec.open, path, exact), config.precision, min_agreement)


def _resolve_backend(name: str, path: Path, manifest: Manifest | None) -> str:
    """Return the backend to use, its name in ``BACKENDS``."""
    if name == "auto":
        name = _automatic(path, manifest)
    check_choice(name, BACKENDS, kind="backend")
    suffixes = BACKENDS[name].suffixes
    if path.suffix.lower() not in suffixes:
        raise InputError(
            f"{name} does not run {path}",
            f"it runs {' and '.join(suffixes)} files",
            hint=_export_hint(path),
        )
    return name


def _automatic(path: Path, manifest: Manifest | None) -> str:
    if manifest and manifest.engine:
        # An engine loads only with the library that built it.
        if manifest.engine.library not in BACKENDS:
            raise InputError(
                f"{path} is an engine of {manifest.engine.library}, which segpp builds and does "
                "not run yet",
                hint="run the ONNX file that it was built from",
            )
        return manifest.engine.library
    suffix = path.suffix.lower()
    fitting = backends_for(suffix)
    if not fitting:
        suffixes = sorted({suffix for spec in BACKENDS.values() for suffix in spec.suffixes})
        raise InputError(
            f"no backend runs {path}",
            f"files that run: {', '.join(suffixes)}",
            hint=_hint_for(path),
        )
    installed = [name for name in fitting if is_installed(BACKENDS[name].module)]
    return (installed or fitting)[0]


def _hint_for(path: Path) -> str | None:
    """Return what to do with an engine or a file of weights; None for another."""
    if path.suffix.lower() in ENGINE_SUFFIXES:
        return "run the ONNX file that it was built from"
    return _export_hint(path)


def _export_hint(path: Path) -> str | None:
    if not kind_of(path).holds:
        return None
    return f"export it first: segpp-export {quote(str(path))} {quote(path.stem)}.onnx"


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
    )
    logits = [part.logits for part in parts if part.logits is not None]
    masks = tuple(mask for part in parts for mask in part.masks)
    joined = np.concatenate(logits) if logits else None
    return Result(masks, joined, timing, parts[0].palette)
