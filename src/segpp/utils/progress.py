"""Progress on stderr: what is about to be done, what is being done, and how long it took."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from segpp.utils.terminal import one_line, unguarded

__all__ = ["Show", "announce", "remark", "step"]

_REFRESH_SECONDS = 0.5
_BAR_CELLS = 20

# Takes the share that is done, 0 to 1, and what is being done.
Show = Callable[[float, str], None]


def announce(text: str) -> None:
    """Write a line at once: what comes takes seconds before its first step is done."""
    _write(f"{text} …\n")


def remark(text: str) -> None:
    """Write a line at once that is no step: what somebody should know while the work goes on."""
    _write(f"{text}\n")


@contextmanager
def step(label: str) -> Iterator[Show]:
    """Show ``label`` with its running time while the block runs.

    On a terminal the line counts up, with a bar once the block has told what it yields how far it
    is; elsewhere it is written once, at the end.
    """
    label = one_line(label)
    start, done = time.monotonic(), threading.Event()
    told: list[str] = [""]

    def show(share: float, what: str) -> None:
        told[0] = f" {_bar(share)} {one_line(what)}"

    ticker = threading.Thread(target=_tick, args=(label, told, start, done), daemon=True)
    if sys.stderr.isatty():
        ticker.start()
    try:
        yield show
    except BaseException:
        _finish(ticker, done)
        _write(f"{label} … stopped after {time.monotonic() - start:.1f} s\n")
        raise
    _finish(ticker, done)
    _write(f"{label} … {time.monotonic() - start:.1f} s\n")


def _bar(share: float) -> str:
    cells = round(min(max(share, 0.0), 1.0) * _BAR_CELLS)
    return f"|{'█' * cells}{' ' * (_BAR_CELLS - cells)}| {share:4.0%}"


def _tick(label: str, told: list[str], start: float, done: threading.Event) -> None:
    while not done.wait(_REFRESH_SECONDS):
        _write(f"{label} …{told[0]} {time.monotonic() - start:.0f} s")


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
