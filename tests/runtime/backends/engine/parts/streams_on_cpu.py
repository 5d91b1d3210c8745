"""CUDA's streams and events, each stream a thread: what is told it happens later, in its order.

As on a GPU, nothing orders two streams but an event that one waits for, and a call that was told is
not yet done. So code that forgets to wait computes from yesterday's memory here, too.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from tests.runtime.backends.engine.parts.cuda_on_cpu import CpuCuda

__all__ = ["Span", "StreamedCuda"]

_Work = Callable[[], None]


@dataclass(frozen=True)
class Span:
    """What a stream did, and from when to when."""

    kind: str
    begin: float
    end: float

    def overlaps(self, other: "Span") -> bool:
        """Return whether both happened at the same time."""
        return self.begin < other.end and other.begin < self.end


@dataclass(eq=False)
class _Event:
    time: float = 0.0
    # Of the last time that it was recorded; one that never was is no reason to wait.
    happened: threading.Event = field(default_factory=threading.Event)
    is_recorded: bool = False


class _Stream:
    def __init__(self) -> None:
        self._told: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def tell(self, work: _Work) -> None:
        self._told.put(work)

    def synchronize(self) -> None:
        done = threading.Event()
        self.tell(done.set)
        assert done.wait(30), "the stream waits for what never happens"

    def close(self) -> None:
        self._told.put(None)
        self._thread.join(30)

    def _work(self) -> None:
        while (work := self._told.get()) is not None:
            work()


class StreamedCuda(CpuCuda):
    """Takes up to ``longest_ms`` for a copy, five times that for work; ``spans`` has all of it."""

    def __init__(self, *, longest_ms: float, steady: bool = False) -> None:
        super().__init__()
        self.__dict__.update(longest_ms=longest_ms, steady=steady, spans=[])

    def create_stream(self) -> Any:
        stream = _Stream()
        self.held.append(stream)
        return stream

    def synchronize(self, stream: Any) -> None:
        stream.synchronize()

    def destroy_stream(self, stream: Any) -> None:
        stream.close()
        self.held.remove(stream)

    def create_event(self) -> Any:
        event = _Event()
        self.held.append(event)
        return event

    def record(self, event: Any, stream: Any) -> None:
        event.happened, event.is_recorded = threading.Event(), True
        happened = event.happened

        def happen() -> None:
            event.time = 1e3 * time.perf_counter()
            happened.set()

        stream.tell(happen)

    def wait(self, stream: Any, event: Any) -> None:
        if event.is_recorded:
            happened = event.happened
            stream.tell(lambda: happened.wait(30))

    def upload(self, device: int, host: int, size: int, stream: Any) -> None:
        self._later("upload", stream, lambda: self._copy("upload", device, host, size))

    def download(self, host: int, device: int, size: int, stream: Any) -> None:
        self._later("download", stream, lambda: self._copy("download", host, device, size))

    def launch(self, executable: Any, stream: Any) -> None:
        for work in executable.work:
            self._later("work", stream, work)

    def do(self, work: _Work, stream: Any) -> None:
        if self.noted is None:
            self._later("work", stream, work)
        else:
            self.noted.append(work)

    def _later(self, kind: str, stream: Any, work: _Work) -> None:
        longest = self.longest_ms * (5 if kind == "work" else 1)
        seconds = 1e-3 * longest * (1.0 if self.steady else random.random())  # noqa: S311 - no secret

        def now() -> None:
            begin = time.perf_counter()
            time.sleep(seconds)
            work()
            self.spans.append(Span(kind, begin, time.perf_counter()))

        stream.tell(now)
