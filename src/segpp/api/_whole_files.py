"""Whole files run for a calibration: how their masks compare, and how fast they are.

The calibration asks for it and may not know of the runtime; the two meet here.
"""

import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.api._truth import Truth
from segpp.calib.pictures.find import Picture
from segpp.calib.pictures.proof import Seen
from segpp.calib.selection.measure import Comparison
from segpp.datasets.labels import Labels
from segpp.images.channels import load_for
from segpp.images.fit import unseen_label
from segpp.images.preprocess import ImageArray
from segpp.manifest import InputSpec
from segpp.runtime.backends.base import BACKENDS, Backend, BackendConfig
from segpp.runtime.benchmark.interleave import BenchmarkConfig, Sample, interleave, series
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.session import Session
from segpp.utils.limits import default_threads

__all__ = ["WholeFiles", "seconds_of"]

Masks = NDArray[np.int32]

# Enough calls that the smallest of each file is one that nothing disturbed.
_ROUNDS = BenchmarkConfig(warmup=1, rounds=5, seconds=1.0)


@dataclass
class WholeFiles(AbstractContextManager["WholeFiles"]):
    """Compares files with one float file, whose masks are computed once; use it in a ``with``.

    Args:
        reference: The float file.
        backend: Of ``segpp.runtime.backends``.
        threads: CPU threads.
        truth: Labels, if there are any.
        after_each: Told how many pictures are compared, and of how many.
        pictures: How picture files are read, instead of as the file's manifest says: white, bands.
    """

    reference: Path
    backend: str
    threads: int | None
    truth: Truth | None
    after_each: Callable[[int, int], object]
    pictures: Mapping[str, Any] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)
    _float: Session | None = None
    # By the picture's hash. Compressed: a mask is large, and has few seams.
    _masks: dict[str, bytes] = field(default_factory=dict)

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def compare(self, model: Path, pictures: Sequence[Picture]) -> Comparison:
        """Return how the masks of a file compare with those of the float file."""
        self.after_each(0, len(pictures))
        found = []
        with self._open(model) as session:
            for number, picture in enumerate(pictures, start=1):
                found.append(self._compare(session, picture))
                self.after_each(number, len(pictures))
        shares, before, after = zip(*found, strict=True)
        agreement = np.array(shares, np.float64)
        if self.truth is None:
            return Comparison(agreement)
        return Comparison(agreement, np.stack(before), np.stack(after), self.truth.ignored)

    def masks(self, model: Path, pictures: Sequence[ImageArray]) -> Seen:
        """Return the masks of a file at the pictures' own sizes."""
        with self._open(model) as session:
            masks = [session(picture).masks[0] for picture in pictures]
            return Seen(masks, session.description)

    def _compare(
        self, session: Session, picture: Picture
    ) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]:
        image, labels = self._read(picture, session.input)
        size = labels.shape if labels is not None else image.shape[:2]
        mask = session(image, sizes=[size]).masks[0].astype(np.int32)
        expected = self._expected(picture, image, size)
        # What a crop leaves out is no agreement.
        seen = expected != unseen_label(len(session.classes.names))
        share = float(np.mean(mask[seen] == expected[seen]))
        if self.truth is None or labels is None:
            return share, np.empty(0, np.int64), np.empty(0, np.int64)
        return share, self.truth.count(labels, expected), self.truth.count(labels, mask)

    def _read(self, picture: Picture, spec: InputSpec) -> tuple[ImageArray, Labels | None]:
        if self.truth is None:
            return load_for(picture.path, spec), None
        return self.truth.of(picture.path, spec)

    def _expected(self, picture: Picture, image: ImageArray, size: tuple[int, ...]) -> Masks:
        """Return the float file's mask."""
        if picture.sha256 not in self._masks:
            if self._float is None:
                self._float = self._stack.enter_context(self._open(self.reference))
            mask = self._float(image, sizes=[(size[0], size[1])]).masks[0]
            self._masks[picture.sha256] = zlib.compress(mask.astype(np.int32).tobytes(), 1)
        stored = zlib.decompress(self._masks[picture.sha256])
        return np.frombuffer(stored, np.int32).reshape(size)

    def _open(self, path: Path) -> Session:
        return open_session(
            path,
            backend=self.backend,
            # Both dialects that are timed are for CPUs.
            provider="cpu",
            threads=self.threads,
            alone=False,
            min_agreement=None,
            cache=False,
            **self.pictures,
        )


def seconds_of(
    paths: Sequence[Path], *, backend: str, threads: int | None, precision: str = "fp32"
) -> list[float]:
    """Return the seconds of a call of each file, called in turn; the smallest of several."""
    used = default_threads() if threads is None else threads
    asked = threads is not None
    config = BackendConfig(
        used, "cpu", alone=False, cache=False, threads_asked_for=asked, precision=precision
    )
    with ExitStack() as stack:
        runners = []
        for path in paths:
            loaded = stack.enter_context(closing(BACKENDS[backend].open(path, config)))
            runners.append(_runner(loaded))
        samples = interleave(runners, _ROUNDS, clock=time.perf_counter)
    return [min(series(own, "inference")) / 1e3 for own in samples]


def _runner(loaded: Backend) -> Callable[[], Sample]:
    [given] = loaded.inputs
    feeds = {given.name: _made(given.shape, given.dtype)}
    outputs = [output.name for output in loaded.outputs]

    def run() -> Sample:
        start = time.perf_counter()
        loaded.run(feeds, outputs)
        spent = 1e3 * (time.perf_counter() - start)
        return Sample(0.0, 0.0, spent, 0.0, spent)

    return run


def _made(shape: Collection[int | str | None], dtype: str) -> NDArray[np.generic]:
    """Return an input of noise: how long a call takes does not depend on the picture."""
    draws = np.random.default_rng(0)
    sides = [int(side or 1) for side in shape]
    if dtype == "uint8":
        return draws.integers(0, 256, sides, np.uint8)
    return draws.standard_normal(sides, np.float32).astype(dtype)
