"""A build in a process of its own.

The library is native code that reads a foreign file: what makes it crash must not take segpp
down, and Ctrl-C must end it at once, which Python cannot do inside a native call.

    1. The parent starts this module (``utils.child``) with a ``BuildConfig`` as JSON, in a session
       of its own: Ctrl-C reaches the parent alone.
    2. The worker's output, both streams, is the log: records as ``log.render_record`` writes them,
       and whatever native code prints between them.
    3. The worker writes the engine to the path in CONFIG and ends with an exit code:
       0    built
       80   refused; the errors are in the log
       81   the engine could not be written; the log's last record is the error number
       82   an error of segpp's own; the log's last record is its words, as JSON
       else a crash, of the library or of Python
    4. While it waits, the parent reads the log as it grows and hands every record on.
    5. The parent turns the code and the log into the records or an error. If it is stopped while
       it waits, it kills the worker and waits for its end, so that nobody writes any more when the
       caller removes the part of a file.
"""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from segpp.errors import GraphError, InputError, MissingError, SegppError
from segpp.runtime.build.builders import BUILDERS, BuildConfig, BuildRefused
from segpp.runtime.build.diagnose import diagnose
from segpp.runtime.build.log import LogRecord, parse_log, render_record
from segpp.utils.child import child_command

__all__ = ["build_in_subprocess"]

# Exit codes of the building process, apart from those of Python and of the shell.
_BUILT, _REFUSED, _UNWRITTEN, _TOLD = 0, 80, 81, 82

# The severity of the record that holds an error of segpp's own.
_ERROR = "SEGPP_ERROR"
_KINDS: dict[str, type[SegppError]] = {one.__name__: one for one in (InputError, MissingError)}

_PATHS = ("onnx", "output", "timing_cache", "timing_cache_output", "plugin")

_LOOK_SECONDS = 0.2

_writing = threading.Lock()

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def build_in_subprocess(
    config: BuildConfig, name: str, *, on_record: Callable[[LogRecord], object] | None = None
) -> tuple[LogRecord, ...]:
    """Build an engine and return the library's log.

    Args:
        config: What to build; its builder is a name in ``BUILDERS``, its paths are absolute.
        name: The ONNX file as the user knows it, for messages.
        on_record: Is handed every record of the log while the library works.

    Raises:
        GraphError: The library refused the file, or crashed on it.
        OSError: The engine could not be written.
        SegppError: What the builder itself raised.
    """
    with tempfile.TemporaryFile() as file:
        code = _run(config, file, on_record or _forget)
        file.seek(0)
        text = file.read().decode(errors="replace")
    records, title = parse_log(text), BUILDERS[config.builder].title
    if code == _BUILT:
        return records
    if code == _REFUSED:
        raise diagnose(title, name, records)
    if code == _UNWRITTEN:
        number = int(records[-1].text)
        raise OSError(number, os.strerror(number))
    if code == _TOLD:
        raise _told(records[-1].text)
    facts = (f"it ended with {_describe_exit(code)}", *_last_line(text))
    raise GraphError(f"{title} crashed on {name}", *facts)


def _forget(_record: LogRecord) -> None:
    """Take a record that nobody asked for."""


def _told(text: str) -> SegppError:
    said = json.loads(text)
    kind = _KINDS.get(said["kind"], InputError)
    return kind(said["problem"], *said["facts"], hint=said["hint"])


def _run(config: BuildConfig, log: IO[bytes], on_record: Callable[[LogRecord], object]) -> int:
    argument = json.dumps(asdict(config), default=str)
    command = child_command("segpp.runtime.build.worker", argument)
    # A stop that came while the process is being started would leave it running, known to nobody.
    with _signals_held() as let_through, _start(command, log) as process:
        try:
            let_through()
            return _wait(process, log.fileno(), on_record)
        except BaseException:
            process.kill()
            # Before the caller removes its files: a dying process may still write.
            process.wait()
            raise


def _wait(
    process: "subprocess.Popen[bytes]", log: int, on_record: Callable[[LogRecord], object]
) -> int:
    """Wait for a process and hand on its log as it grows; return the exit code."""
    place, pending = 0, b""
    while True:
        try:
            code: int | None = process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        # At a place: the process writes through the same file, and its own place must stay.
        while chunk := os.pread(log, 1 << 20, place):
            place += len(chunk)
            # The last record may go on in what is not there yet.
            whole, end, rest = (pending + chunk).rpartition(b"\n[")
            pending = end[1:] + rest
            for record in parse_log(whole.decode(errors="replace")):
                on_record(record)
        if code is not None:
            for record in parse_log(pending.decode(errors="replace")):
                on_record(record)
            return code


def _start(command: Sequence[str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    # In a session of its own, so that Ctrl-C reaches us alone and we decide.
    return subprocess.Popen(  # noqa: S603 - our own module
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@contextmanager
def _signals_held() -> Iterator[Callable[[], object]]:
    """Hold back the signals that stop a program; yield what lets them through again."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)

    def let_through() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield let_through
    finally:
        let_through()


def _describe_exit(code: int) -> str:
    if code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def _last_line(text: str) -> Sequence[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    return [f"its last words: {lines[-1]:.200}"] if lines else []


def _main(argument: str) -> int:
    """Build in this process; the log goes to standard output."""
    # Inherited from the moment of the start.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    # A crash must not leave a core file in the user's folder.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    config = _parse_config(argument)
    try:
        BUILDERS[config.builder]().build(config, _log)
    except BuildRefused:
        return _REFUSED
    except OSError as failure:
        _log("ERROR", str(failure.errno or errno.EIO))
        return _UNWRITTEN
    except SegppError as failure:
        words = {"kind": type(failure).__name__, "problem": failure.problem}
        _log(_ERROR, json.dumps({**words, "facts": failure.facts, "hint": failure.hint}))
        return _TOLD
    return _BUILT


def _parse_config(argument: str) -> BuildConfig:
    fields = json.loads(argument)
    for name in _PATHS:
        fields[name] = None if fields[name] is None else Path(fields[name])
    return BuildConfig(**{**fields, "compute_capabilities": tuple(fields["compute_capabilities"])})


def _log(severity: str, text: str) -> None:
    # The library's threads talk at the same time, and a record must stay whole.
    with _writing:
        sys.stdout.write(render_record(severity, text))


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
