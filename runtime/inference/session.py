"""A network ready to run: images in, class numbers out, the same for every engine library."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import ImageError, InputError
from segpp.images.labels import labels_from
from segpp.images.preprocess import ImageLike, prepare
from segpp.manifest import Classes, InputSpec, Manifest, OutputSpec, read_manifest
from segpp.runtime.backends._base import ENGINES, Engine, Library, Options
from segpp.runtime.inference.precision_check import MIN_AGREEMENT, PrecisionGate
from segpp.runtime.inference.signature import check_as_described, describe
from segpp.runtime.system.packages import is_installed
from segpp.utils.choices import check_choice
from segpp.utils.files import check_file, manifest_path

__all__ = ["Result", "Session", "Timing", "open_session"]

_IMAGE_DIMENSIONS = 3


@dataclass(frozen=True)
class Timing:
    """Wall time of one call in milliseconds, all its images together."""

    prepare_ms: float
    network_ms: float
    finish_ms: float

    @property
    def total_ms(self) -> float:
        """From images to labels."""
        return self.prepare_ms + self.network_ms + self.finish_ms


@dataclass(frozen=True)
class Result:
    """What one call gives.

    Args:
        labels: Class numbers (H, W) per image at that image's own size; uint8 up to 256
            classes, else int32.
        logits: (B, K, h, w) as the network gives them, float32; only when asked for.
    """

    labels: tuple[NDArray[Any], ...]
    logits: NDArray[np.float32] | None
    timing: Timing


class Session:
    """A loaded network with its manifest; close it, or use it in a ``with`` block.

    Args:
        manifest: The file's, or what was assumed for want of one (``assumed`` tells).
        gate: What the first labels must pass, where they come from a lower precision.
    """

    def __init__(
        self,
        engine: Engine,
        manifest: Manifest,
        *,
        assumed: bool = False,
        gate: PrecisionGate | None = None,
    ) -> None:
        self._engine = engine
        self._gate = gate
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
    def library(self) -> str:
        """Library, version and device in words."""
        return self._engine.library

    def __call__(self, images: ImageLike | Sequence[ImageLike], *, logits: bool = False) -> Result:
        """Segment one image or a batch of any length.

        Args:
            images: One RGB image uint8 (H, W, C), a batch (B, H, W, C), or a list of images of
                any sizes. For networks that take several frames at once, an image in the list
                may itself be a list of frames.
            logits: Return the logits too.

        Raises:
            ImageError: Something is not such an image.
            InputError: ``logits``, but the network gives only labels.
            CheckError: The network gave infinities or not-a-numbers; or in a lower precision its
                labels for the first images are too far from those in FP32.
        """
        pictures = _as_list(images)
        output = _choose(self.manifest.outputs, logits=logits)
        step = self.input.batch
        parts = [
            self._run_batch(pictures[first : first + step], output, logits=logits)
            for first in range(0, len(pictures), step)
        ]
        return _joined(parts)

    def run_raw(self, tensor: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return every output for a prepared input tensor, by name, as the network gives it.

        Raises:
            InputError: The tensor has not the input's shape and type.
        """
        spec = self.input
        if tensor.shape != spec.shape or tensor.dtype != spec.dtype:
            raise InputError(
                f"the tensor is {tensor.dtype} {tensor.shape}",
                f"the network takes {spec.dtype} {spec.shape}",
            )
        names = [output.name for output in self.manifest.outputs]
        return dict(zip(names, self._engine.run({spec.name: tensor}, names), strict=True))

    def close(self) -> None:
        """Give back the network's memory."""
        self._engine.close()

    def __enter__(self) -> "Session":  # noqa: PYI034 - typing.Self is newer than Python 3.10
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run_batch(
        self, pictures: Sequence[ImageLike], output: OutputSpec, *, logits: bool
    ) -> Result:
        start = time.perf_counter()
        # The batch is fixed in the file; a last, smaller one repeats its last image.
        padded = [*pictures, *[pictures[-1]] * (self.input.batch - len(pictures))]
        tensor = prepare(padded, self.input)
        prepared = time.perf_counter()
        [raw] = self._engine.run({self.input.name: tensor}, [output.name])
        ran = time.perf_counter()
        labels_of = partial(
            labels_from,
            output=output,
            sizes=[_size(p) for p in pictures],
            classes=len(self.classes.names),
        )
        labels = labels_of(raw)
        done = time.perf_counter()
        if self._gate:
            self._gate.check({self.input.name: tensor}, output.name, labels_of, labels)
            self._gate = None
        timing = Timing(1e3 * (prepared - start), 1e3 * (ran - prepared), 1e3 * (done - ran))
        kept = raw[: len(pictures)].astype(np.float32, copy=False) if logits else None
        return Result(labels, kept, timing)


def open_session(
    path: Path | str,
    *,
    engine: str = "auto",
    threads: int | None = None,
    provider: str | None = None,
    spinning: bool = True,
    alone: bool = True,
    precision: str = "fp32",
    min_agreement: float | None = MIN_AGREEMENT,
    cache: bool = True,
) -> Session:
    """Load a network with the manifest beside it.

    Without a manifest it works if the file has one static image input and one output that is
    logits or labels; the rest is assumed, and ``session.assumed`` is true.

    Args:
        engine: The library, "auto" for the one that fits the file.
        threads: CPU threads; the library's choice if not given.
        provider: Device or backend of the library ("cpu", "cuda").
        spinning: Let idle threads spin, which is faster.
        alone: Let them go on after a call; False where another network has its turn then.
        precision: What the file's FP32 is computed in: "fp32", or "bf16" where library and CPU
            can.
        min_agreement: Share of pixels that a lower precision must label as FP32 does, on the
            first images, for which both are computed; None does without.
        cache: Keep what openvino compiles in ``x.onnx.cache`` beside the file.

    Raises:
        GraphError: The file is damaged, or not a segmentation network with fixed shapes.
        ManifestError: The manifest is damaged, or about another file.
        MissingError: The library or the provider is not installed.
    """
    path = Path(path)
    check_file(path, kind="model")
    if threads is not None and threads < 1:
        raise InputError(f"cannot run on {threads} threads")
    manifest = read_manifest(path) if manifest_path(path).exists() else None
    library = _library(engine, path, manifest)
    options = Options(threads, provider, spinning, alone, precision, cache)
    loaded = library.open(path, options)
    try:
        if manifest:
            check_as_described(path, manifest, loaded)
        gate = None
        if precision != "fp32" and min_agreement is not None:
            exact = replace(options, precision="fp32", cache=False)
            gate = PrecisionGate(partial(library.open, path, exact), precision, min_agreement)
        known = manifest or describe(path, loaded)
        return Session(loaded, known, assumed=manifest is None, gate=gate)
    except BaseException:
        loaded.close()
        raise


def _library(engine: str, path: Path, manifest: Manifest | None) -> Library:
    named = {name.replace("_", "-"): name for name in ENGINES}
    if engine == "auto":
        engine = _automatic(path, manifest)
    check_choice(engine, named, kind="engine")
    library = ENGINES[named[engine]]
    if path.suffix.lower() not in library.suffixes:
        kinds = " and ".join(library.suffixes)
        raise InputError(f"{engine} does not run {path}", f"it runs {kinds} files")
    return library


def _automatic(path: Path, manifest: Manifest | None) -> str:
    if manifest and manifest.engine:
        # An engine loads only with the library that built it.
        return manifest.engine.library.replace("_", "-")
    fitting = [n for n in ENGINES if path.suffix.lower() in ENGINES[n].suffixes]
    if not fitting:
        known = sorted({suffix for name in ENGINES for suffix in ENGINES[name].suffixes})
        raise InputError(f"no engine runs {path}", f"files that run: {', '.join(known)}")
    # Sorted, so that onnxruntime comes first: the one that every other is compared with.
    here = [name for name in fitting if is_installed(name)]
    return (here or fitting)[0].replace("_", "-")


def _as_list(images: ImageLike | Sequence[ImageLike]) -> list[ImageLike]:
    if isinstance(images, np.ndarray) and images.ndim == _IMAGE_DIMENSIONS:
        return [images]
    pictures: list[ImageLike] = list(images)
    if not pictures:
        raise ImageError("there is no image in the batch")
    return pictures


def _size(picture: ImageLike) -> tuple[int, int]:
    frame = picture if isinstance(picture, np.ndarray) else picture[0]
    return frame.shape[0], frame.shape[1]


def _choose(outputs: tuple[OutputSpec, ...], *, logits: bool) -> OutputSpec:
    """Return the output to compute: ready labels if there are any, else logits."""
    by_kind = {output.kind: output for output in outputs}
    if not logits:
        return by_kind.get("labels") or by_kind["logits"]
    if "logits" not in by_kind:
        raise InputError("the network gives labels, not logits", hint="export it without argmax")
    return by_kind["logits"]


def _joined(parts: Sequence[Result]) -> Result:
    timing = Timing(
        sum(part.timing.prepare_ms for part in parts),
        sum(part.timing.network_ms for part in parts),
        sum(part.timing.finish_ms for part in parts),
    )
    logits = [part.logits for part in parts if part.logits is not None]
    labels = tuple(one for part in parts for one in part.labels)
    return Result(labels, np.concatenate(logits) if logits else None, timing)
