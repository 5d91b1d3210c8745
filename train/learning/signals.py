"""An update of the weights that a signal does not cut in two."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["undivided"]

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def undivided() -> Iterator[None]:
    """Hold back what signals ask for until the block is done.

    Weights of which half have changed are those of no step, and a training could not go on from
    them. An update takes milliseconds.
    """
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's.
        yield
        return
    held: list[tuple[int, FrameType | None]] = []
    before = {int(number): signal.getsignal(number) for number in _STOPS}
    ours = {number: handler for number, handler in before.items() if callable(handler)}
    try:
        for number in ours:
            signal.signal(number, lambda number, frame: held.append((number, frame)))
        yield
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
    for number, frame in held:
        ours[number](number, frame)
