"""Ctrl-C at a source that has no end: it is the end, and what was written is finished."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["ended_by_signals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_by_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Have the first Ctrl-C, or stop of the system, call ``stop``; the second one interrupts.

    Outside of the main thread, to which signals belong, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Whoever reads this descriptor takes a signal for the end of the process within two seconds.
    wakeup = signal.set_wakeup_fd(-1)
    # What is ignored, as nohup does it, stays so.
    before = {one: signal.getsignal(one) for one in _SIGNALS}
    before = {one: old for one, old in before.items() if old not in {signal.SIG_IGN, None}}

    def restore() -> None:
        for one, old in before.items():
            signal.signal(one, old)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)

    def first(_signal: int, _frame: FrameType | None) -> None:
        restore()
        stop()

    for one in before:
        signal.signal(one, first)
    try:
        yield
    finally:
        restore()
