"""One network made ready, and one call of it with the time of every stage."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from PIL import Image

from segpp import __version__
from segpp.images import sample_image
from segpp.images.preprocess import load_image
from segpp.runtime.benchmark.case import Contestant
from segpp.runtime.benchmark.environment import Conditions, Usage, read_conditions, usage
from segpp.runtime.benchmark.interleave import Lap
from segpp.runtime.benchmark.memory import Memory, memory_of
from segpp.runtime.benchmark.report import Entry, Place
from segpp.runtime.inference.session import Result, Session, open_session
from segpp.runtime.system.hardware import this_machine
from segpp.runtime.system.packages import version_of

__all__ = ["Ready", "place_between", "ready"]

_ALWAYS = ("numpy", "PIL")


class Ready:
    """A loaded network with its image; use it in a ``with`` block."""

    def __init__(
        self,
        *,
        name: str,
        contestant: Contestant,
        session: Session,
        image: Path,
        memory: Memory,
        load_seconds: float,
    ) -> None:
        self._name, self._contestant, self._session = name, contestant, session
        self._image, self._memory, self._load_seconds = image, memory, load_seconds
        self._first = self._call()[0]
        height, width = self._first.labels[0].shape
        self.image_text = f"{image.name}, {height}x{width}"

    @property
    def library_name(self) -> str:
        """The module of the engine."""
        return self._session.library.partition(" ")[0].replace("-", "_")

    def lap(self) -> Lap:
        """Run it once, from the image's file to labels."""
        return self._call()[1]

    def entry(self, laps: Sequence[Lap], first: "Ready") -> Entry:
        """Return what came out for this network, compared with the ``first``."""
        spec = self._session.input
        return Entry(
            name=self._name,
            file=self._contestant.path.name,
            library=self._session.library,
            size=(spec.height, spec.width),
            batch=spec.batch,
            load_seconds=self._load_seconds,
            agreement=_agreement(self._first, first._first),  # noqa: SLF001 - of the same class
            memory=self._memory,
            laps=tuple(laps),
        )

    def __enter__(self) -> "Ready":  # noqa: PYI034 - typing.Self is newer than Python 3.10
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    def _call(self) -> tuple[Result, Lap]:
        start = time.perf_counter()
        images = [load_image(self._image) for _ in range(self._session.input.batch)]
        decoded = time.perf_counter()
        result = self._session(images)
        done = time.perf_counter()
        timing = result.timing
        return result, Lap(
            decode=1e3 * (decoded - start),
            pre=timing.prepare_ms,
            engine=timing.network_ms,
            post=timing.finish_ms,
            total=1e3 * (done - start),
        )


def ready(
    name: str, contestant: Contestant, image: Path | None, folder: Path, settings: dict[str, Any]
) -> Ready:
    """Load a network, find its peak memory, and call it once.

    Args:
        image: What to segment; None for the bundled street at the network's own size.
        folder: For files that go away afterwards.
        settings: More of ``open_session``.
    """
    # A lower precision need not pass its gate: what it changes is in the report.
    settings = {
        **settings,
        "engine": contestant.engine,
        "precision": contestant.precision,
        "min_agreement": None,
    }
    start = time.perf_counter()
    session = open_session(contestant.path, **settings)
    seconds = time.perf_counter() - start
    try:
        picture = image or _street(folder, session.input.height, session.input.width)
        memory = memory_of(contestant, picture, {**settings, "cache": False})
        return Ready(
            name=name,
            contestant=contestant,
            session=session,
            image=picture,
            memory=memory,
            load_seconds=seconds,
        )
    except BaseException:
        session.close()
        raise


def place_between(before: Conditions, used: Usage | None, libraries: Iterable[str]) -> Place:
    """Return where it was measured; the end is now.

    Args:
        before: What was read at the start.
        used: As well.
        libraries: The engines' modules.
    """
    machine, now = this_machine(), usage()
    shares = now.since(used) if now and used else (None, None)
    versions = {"segpp": __version__, "python": machine.python}
    found = {name: version_of(name) for name in (*_ALWAYS, *sorted(libraries))}
    return Place(
        cpu=f"{machine.cpu.model}, {machine.cpu.cores} cores",
        system=f"{machine.system}, {machine.architecture}",
        board=machine.board,
        versions={**versions, **{name: version for name, version in found.items() if version}},
        before=before,
        after=read_conditions(),
        others=shares[0],
        stolen=shares[1],
    )


def _street(folder: Path, height: int, width: int) -> Path:
    # As a camera would give it: decoding a larger file would cost what no camera asks for.
    path = folder / f"street-{height}x{width}.jpg"
    if not path.exists():
        with Image.open(sample_image()) as street:
            sized = street.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
        sized.save(path, format="JPEG", quality=95)
    return path


def _agreement(result: Result, first: Result) -> float | None:
    mine, theirs = result.labels[0], first.labels[0]
    return float(np.mean(mine == theirs)) if mine.shape == theirs.shape else None
