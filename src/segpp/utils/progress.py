"""Progress on stderr: what is about to be done, what is being done, and how long it took."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from segpp.utils.terminal import one_line, unguarded

__all__ = ["announce", "step"]

_REFRESH_SECONDS = 0.5


def announce(text: str) -> None:
    """Write a line at once: what comes takes seconds before its first step is done."""
    _write(f"{text} …\n")


@contextmanager
def step(label: str) -> Iterator[None]:
    """Show ``label`` with its running time while the block runs.

    On a terminal the line counts up; elsewhere it is written once, at the end.
    """
    label = one_line(label)
    start, done = time.monotonic(), threading.Event()
    ticker = threading.Thread(target=_tick, args=(label, start, done), daemon=True)
    if sys.stderr.isatty():
        ticker.start()
    try:
        yield
    except BaseException:
        _finish(ticker, done)
        _write(f"{label} … stopped after {time.monotonic() - start:.1f} s\n")
        raise
    _finish(ticker, done)
    _write(f"{label} … {time.monotonic() - start:.1f} s\n")


def _tick(label: str, start: float, done: threading.Event) -> None:
    while not done.wait(_REFRESH_SECONDS):
        _write(f"{label} … {time.monotonic() - start:.0f} s")


def _finish(ticker: threading.Thread, done: threading.Event) -> None:
    done.set()
    if ticker.is_alive():
        ticker.join()


def _write(text: str) -> None:
    # \r and the erase code redraw the line on a terminal; a log gets plain lines.
    # A reader who closed the pipe must not end the work.
    stream = unguarded(sys.stderr)
    with suppress(OSError):
        stream.write(f"\r\x1b[K{text}" if stream.isatty() else text)
        stream.flush()
