"""One network made ready, and one call of it with the time of every stage."""

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from segpp import __version__
from segpp.images import sample_image
from segpp.images.channels import load_for
from segpp.images.preprocess import ImageArray, load_image, resize_image
from segpp.manifest import InputSpec
from segpp.runtime.backends.base import BACKENDS
from segpp.runtime.benchmark.case import BenchmarkCase
from segpp.runtime.benchmark.environment import (
    CpuUsage,
    SystemState,
    read_cpu_usage,
    read_system_state,
)
from segpp.runtime.benchmark.interleave import Sample
from segpp.runtime.benchmark.memory import PeakMemory, measure_peak_memory
from segpp.runtime.benchmark.report import CaseResult, Environment
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.session import Result, Session
from segpp.runtime.system.hardware import this_machine
from segpp.runtime.system.packages import version_of

__all__ = ["LoadedCase", "environment_between", "load_case"]

_ALWAYS_USED = ("numpy", "PIL")


class LoadedCase(AbstractContextManager["LoadedCase"]):
    """A loaded network with its image; use it in a ``with`` block.

    Args:
        name: What it is called in tables.
        case: What it is.
        session: The loaded network; closed with this.
        image: What it segments.
        memory: Of a process that runs it alone.
        load_seconds: From the file to the session.
        spec: How the image is read.
    """

    def __init__(
        self,
        *,
        name: str,
        case: BenchmarkCase,
        session: Session,
        image: Path,
        memory: PeakMemory,
        load_seconds: float,
        spec: InputSpec,
    ) -> None:
        self._name, self._case, self._session = name, case, session
        self._spec = spec
        self._image, self._memory, self._load_seconds = image, memory, load_seconds
        self._first_result = self._call()[0]
        height, width = self._first_result.masks[0].shape
        self.image_text = f"{image.name}, {height}x{width}"

    @property
    def module(self) -> str:
        """The Python module of the backend's library."""
        return BACKENDS[self._session.backend_name].module

    @property
    def notes(self) -> tuple[str, ...]:
        """What its library gave reason to say, each with the network's name."""
        return tuple(f"{self._name}: {note}" for note in self._session.backend_notes)

    def sample(self) -> Sample:
        """Run it once, from the image's file to labels."""
        return self._call()[1]

    def result(self, samples: Sequence[Sample], first: "LoadedCase") -> CaseResult:
        """Return what came out for this network.

        Args:
            samples: All calls that count.
            first: The network that this one is compared with.
        """
        spec = self._session.input
        return CaseResult(
            name=self._name,
            file=self._case.path.name,
            backend=_run_by(self._session),
            size=(spec.height, spec.width),
            batch=spec.batch,
            load_seconds=self._load_seconds,
            agreement=_agreement(self._first_result, first._first_result),  # noqa: SLF001 - of the same class
            memory=self._memory,
            samples=tuple(samples),
        )

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def _load(self) -> ImageArray:
        return load_for(self._image, self._spec)

    def _call(self) -> tuple[Result, Sample]:
        start = time.perf_counter()
        images = [self._load() for _ in range(self._session.input.batch)]
        decoded = time.perf_counter()
        result = self._session(images)
        done = time.perf_counter()
        timing = result.timing
        return result, Sample(
            decode_ms=1e3 * (decoded - start),
            preprocess_ms=timing.preprocess_ms,
            inference_ms=timing.inference_ms,
            postprocess_ms=timing.postprocess_ms,
            total_ms=1e3 * (done - start),
            device=timing.device,
        )


def _run_by(session: Session) -> str:
    precision = session.manifest.precision
    return session.description + ("" if precision == "fp32" else f", {precision} file")


def load_case(
    name: str, case: BenchmarkCase, image: Path | None, folder: Path, settings: dict[str, Any]
) -> LoadedCase:
    """Load a network, find its peak memory, and call it once.

    Args:
        name: What it is called in tables.
        case: What it is.
        image: What to segment; None for the bundled street at the network's own size.
        folder: For files that go away afterwards.
        settings: More of ``open_session``.

    Raises:
        SegppError: It cannot be loaded or run.
    """
    settings = {
        **settings,
        "backend": case.backend,
        "precision": case.precision,
        # A lower precision need not prove itself: what it changes is in the report.
        "min_agreement": None,
    }
    start = time.perf_counter()
    session = open_session(case.path, **settings)
    load_seconds = time.perf_counter() - start
    with ExitStack() as on_failure:
        on_failure.enter_context(session)
        picture = image or _street(folder, session.input)
        # What a manifest says of its owner's files is not true of the bundled one.
        spec = session.input if image else replace(session.input, white=None, bands=None)
        loaded = LoadedCase(
            name=name,
            case=case,
            session=session,
            image=picture,
            memory=measure_peak_memory(
                case,
                picture,
                {**settings, "cache": False},
                channels=spec.channels,
                reading={"white": spec.white, "bands": spec.bands},
            ),
            load_seconds=load_seconds,
            spec=spec,
        )
        on_failure.pop_all()
    return loaded


def environment_between(
    before: SystemState, used: CpuUsage | None, modules: Iterable[str]
) -> Environment:
    """Return where it was measured; the end is now.

    Args:
        before: What was read at the start.
        used: As well.
        modules: The backends' Python modules.
    """
    machine, used_now = this_machine(), read_cpu_usage()
    shares = used_now.since(used) if used_now and used else (None, None)
    packages = {name: version_of(name) for name in (*_ALWAYS_USED, *sorted(modules))}
    installed = {name: version for name, version in packages.items() if version}
    return Environment(
        cpu=f"{machine.cpu.model}, {machine.cpu.cores} cores",
        system=f"{machine.system}, {machine.architecture}",
        board=machine.board,
        versions={"segpp": __version__, "python": machine.python, **installed},
        before=before,
        after=read_system_state(),
        others=shares[0],
        stolen=shares[1],
    )


def _street(folder: Path, spec: InputSpec) -> Path:
    # As a camera would give it: decoding a larger file would cost what no camera asks for.
    path = folder / f"street-{spec.height}x{spec.width}.jpg"
    if not path.exists():
        street = resize_image(load_image(sample_image()), spec)
        Image.fromarray(street).save(path, format="JPEG", quality=95)
    return path


def _agreement(result: Result, first: Result) -> float | None:
    labels, expected = result.masks[0], first.masks[0]
    return float(np.mean(labels == expected)) if labels.shape == expected.shape else None
