"""How a command ends: cleanly when it is stopped, and without a word when its reader goes away."""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

from segpp.utils.files import remove_parts
from segpp.utils.terminal import unguarded

__all__ = [
    "INTERRUPTED",
    "INTERRUPTION",
    "before_forced_end",
    "clean_up_when_stopped",
    "flush_results",
    "forget_interrupt",
]

# The exit code of a command that was stopped, and what it says.
INTERRUPTED = 130
INTERRUPTION = "interrupted; nothing half-written is left"

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Python acts on a signal between two of its own instructions, and a network may run for minutes
# inside one. After so long the thread that watches ends the process; two seconds were promised.
_PATIENCE_SECONDS = 1.2
# What that thread does before.
_last_works: list[Callable[[], object]] = []


@contextmanager
def clean_up_when_stopped() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does, so that cleanup runs.

    Where native code computes and lets no exception in, a thread removes what is half-written and
    ends the process.

    Raises:
        KeyboardInterrupt: A signal asked to stop, whatever error it then came out as.
    """
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's, and so is what to do about them.
        yield
        return
    with _watched(), _interrupting() as stopped:
        try:
            yield
        except Exception:
            # A library may make an error of its own of an interruption.
            if stopped.is_set():
                raise KeyboardInterrupt from None
            raise


@contextmanager
def before_forced_end(work: Callable[[], object]) -> Iterator[None]:
    """Have ``work`` done where a process is ended that does not end by itself in time.

    Args:
        work: Called in another thread, while the main one may be inside of native code or clean up.
    """
    _last_works.append(work)
    try:
        yield
    finally:
        _last_works.remove(work)


@contextmanager
def _interrupting() -> Iterator[threading.Event]:
    """Have signals interrupt, and yield what then is set."""
    stopped = threading.Event()
    handlers = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    # Only where it would end us: nohup makes a closed terminal harmless, and stays in force.
    fatal = {signal.SIG_DFL, signal.default_int_handler}
    ours = {number: before for number, before in handlers.items() if before in fatal}
    for number in ours:
        signal.signal(number, partial(_interrupt, stopped))
    try:
        yield stopped
    finally:
        for number, before in ours.items():
            signal.signal(number, before)


@contextmanager
def _watched() -> Iterator[None]:
    """Have a thread learn of signals, whatever the main one is doing."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)


def _interrupt(stopped: threading.Event, _signal: int, _frame: FrameType | None) -> None:
    stopped.set()
    raise KeyboardInterrupt


def _watch(reading: int) -> None:
    """Wait for a signal, and then for the end; if that does not come, bring it about."""
    deadline: float | None = None
    works = list[Callable[[], object]]()
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([reading], [], [], left)[0]:
            if works == _last_works:
                _end_now()
            works = _done(_last_works)
            deadline = time.monotonic() + _PATIENCE_SECONDS
            continue
        numbers = os.read(reading, 1 << 10)
        if not numbers:
            os.close(reading)
            return
        if deadline is None and set(numbers) & set(_STOP_SIGNALS):
            deadline = time.monotonic() + _PATIENCE_SECONDS


def _done(works: Iterable[Callable[[], object]]) -> list[Callable[[], object]]:
    works = list(works)
    for work in works:
        # Whatever comes of it, the end does.
        with suppress(Exception):
            work()
    return works


def _end_now() -> None:
    remove_parts()
    with suppress(OSError):
        os.write(2, f"\nerror: {INTERRUPTION}\n".encode())
    os._exit(INTERRUPTED)


def forget_interrupt() -> None:
    """Let CPython end with our exit code after a KeyboardInterrupt that was caught.

    One that passed through code made from text, as a dataclass makes it while torch is imported,
    marks the interpreter to die of the signal at its end. The next such code takes the mark away.
    """
    eval("0")  # noqa: S307


def flush_results() -> OSError | None:
    """Write out what is left for stdout; return what kept it from being written.

    A reader that went away (head, less) is no failure.
    """
    try:
        sys.stdout.flush()
    except OSError as failure:
        # Python would try again at exit and complain in its own words.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, unguarded(sys.stdout).fileno())
            os.close(nowhere)
        return None if isinstance(failure, BrokenPipeError) else failure
    return None
