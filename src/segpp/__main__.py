"""``python -m segpp``, and what every command begins with."""

import signal
import sys

__all__ = ["main"]

_STOPS = (signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the process's own command and return its exit code, also if it is stopped on its way in.

    What is imported takes longer than many a Ctrl-C, and nothing else cleans up yet.
    """
    # Those that are ignored stay so: nohup.
    fatal = [number for number in _STOPS if signal.getsignal(number) is signal.SIG_DFL]
    for number in fatal:
        signal.signal(number, signal.default_int_handler)
    try:
        from segpp.cli import main as run  # noqa: PLC0415 - so that Ctrl-C finds somebody

        return run()
    except KeyboardInterrupt:
        from segpp.utils.process import INTERRUPTED, INTERRUPTION, forget_interrupt  # noqa: PLC0415

        forget_interrupt()
        sys.stderr.write(f"error: {INTERRUPTION}\n")
        return INTERRUPTED
    finally:
        for number in fatal:
            signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
