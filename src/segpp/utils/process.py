"""How a command ends: cleanly when it is stopped, and without a word when its reader goes away."""

import os
import signal
import sys
from types import FrameType

__all__ = ["clean_up_when_stopped", "flush_results", "forget_interrupt"]


def clean_up_when_stopped() -> None:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does, so that cleanup runs."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Only where it would end us: nohup makes a closed terminal harmless, and stays in force.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return None if isinstance(failure, BrokenPipeError) else failure
    return None
