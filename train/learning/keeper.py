"""Keeps a training on the disk: now and then, when it is stopped, and until it is done."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from segpp.errors import InputError, OutputError, SegppError
from segpp.train.learning.loop import DivergedError
from segpp.train.learning.signals import undivided
from segpp.train.learning.state import Progress, check_state, read_state, write_state
from segpp.train.learning.world import World
from segpp.utils.process import before_forced_end
from segpp.utils.progress import remark

__all__ = ["Keeper"]

_EVERY_SECONDS = 30.0
# Where the disk is slow, at most this share of the time goes into it.
_MOST_SHARE = 0.02
_SHOWN = 8


@dataclass
class Keeper:
    """Writes and reads the state of one training.

    Args:
        path: The file.
        world: The processes, of which the first writes.
        every: Seconds between two writes, at least.
    """

    path: Path
    world: World
    every: float = _EVERY_SECONDS
    _next: float = field(default_factory=lambda: time.monotonic() + _EVERY_SECONDS)
    _ending: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False
    _is_told: bool = False

    def __call__(self, progress: Progress) -> None:
        """Write the progress if it is time to; where the disk is full, say so once and go on."""
        if time.monotonic() < self._next:
            return
        try:
            self.write(progress)
        except OutputError as failure:
            # Space may be made meanwhile, and hours of training are worth more than their copy.
            self._next = time.monotonic() + self.every
            if not self._is_told:
                self._is_told = True
                remark(f"{_sentence(failure)}; training goes on, and tries again")

    def write(self, progress: Progress) -> None:
        """Write the progress."""
        if not self.world.is_first:
            return
        start = time.monotonic()
        write_state(self.path, progress)
        end = time.monotonic()
        self._next = end + max(self.every, (end - start) / _MOST_SHARE)

    @contextmanager
    def until_the_end(self, snapshot: Callable[[], Progress]) -> Iterator[None]:
        """Keep the last whole step if the block does not come to its end, whatever stops it.

        Also where native code lets no exception in: then another thread does, while nothing changes
        a weight. A loss that is no number is nothing to go on with.

        Args:
            snapshot: Returns the progress, or raises if there is none of a whole step.
        """
        if not self.world.is_first:
            yield
            return
        with before_forced_end(lambda: self._end(snapshot)):
            try:
                yield
            except DivergedError:
                raise
            except BaseException:
                # Ctrl-C reaches every process of a terminal, and torchrun passes it on once more.
                with undivided():
                    self._end(snapshot)
                raise

    def _end(self, snapshot: Callable[[], Progress]) -> None:
        """Write the last step once, in whichever thread it is asked for first, and say so."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
            try:
                progress = snapshot()
                self.write(progress)
            except SegppError as failure:
                remark(f"the last step is not kept: {_sentence(failure)}")
                return
            remark(f"stopped after {progress.step} steps; the same command goes on")

    def found(
        self, settings: Mapping[str, str], like: Mapping[str, Tensor], *, restart: bool
    ) -> Progress | None:
        """Return the training that can be gone on with, None if there is none.

        Args:
            settings: Those of this call, which must be the same.
            like: The student's weights.
            restart: Begin anew, whatever there is.

        Raises:
            InputError: There is one, of other settings or damaged.
        """
        here = self.world.is_first and self.path.exists() and not restart
        if here:
            check_state(self.path, like)
        content = self.world.of_first(self.path.read_bytes() if here else None)
        if content is None:
            return None
        if self.world.is_first:
            progress = read_state(self.path, like)
        else:
            # On another machine the file is not there.
            with tempfile.NamedTemporaryFile(suffix=".resume") as copy:
                Path(copy.name).write_bytes(content)
                progress = read_state(Path(copy.name), like)
        self._check_same(settings, progress)
        return progress

    def remove(self) -> None:
        """Remove the file: the training is done."""
        if self.world.is_first:
            self.path.unlink(missing_ok=True)

    def _check_same(self, settings: Mapping[str, str], progress: Progress) -> None:
        there = progress.settings
        differing = [
            f"{name}: {there.get(name, 'none')} there, {settings.get(name, 'none')} now"[:200]
            for name in {**there, **settings}
            if there.get(name) != settings.get(name)
        ]
        if differing:
            raise InputError(
                f"{self.path} is a training of {progress.step} steps with other settings",
                *differing[:_SHOWN],
                hint="give the same to go on with it, or begin anew: `restart=True`",
            )


def _sentence(failure: SegppError) -> str:
    return ": ".join([failure.problem, *failure.facts])
