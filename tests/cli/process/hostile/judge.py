"""One command on hostile input, and what is wrong with how it ended."""

import hashlib
import os
import re
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from segpp.cli import main

__all__ = ["Verdict", "judge"]

# What a command may take: seconds of the CPU, and bytes above what a process with every library
# in it has anyway. Seconds of the clock are for what waits; other tests may have the CPUs.
CPU_SECONDS = 10
WAIT_SECONDS = 60
MORE_BYTES = 1 << 30

# A limit on addresses that keeps a runaway from taking the machine; what counts is measured.
_ADDRESS_ROOM = 16 << 30

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Verdict:
    """How a command ended.

    Args:
        code: Its exit code; negative for a signal.
        seconds: Of the CPU.
        bytes: The most memory it held.
        said: Both of its streams.
        faults: What is wrong with that, a sentence each.
    """

    code: int
    seconds: float
    bytes: int
    said: str
    faults: tuple[str, ...]


def judge(arguments: list[str], folder: Path, usual_bytes: int) -> Verdict:
    """Run a command in a copy of this process, in ``folder``, and look at what it leaves.

    Args:
        arguments: The command line, with ``OUT`` for the folder of outputs.
        folder: The inputs; outputs belong into ``OUT`` alone.
        usual_bytes: Memory of a command on sound input.
    """
    (folder / "OUT").mkdir()
    before = _fingerprints(folder)
    log = folder.with_name(folder.name + ".log")
    child = os.fork()
    if child == 0:
        _run(arguments, folder, log)
    status, usage = _wait(child)
    code = os.waitstatus_to_exitcode(status)
    said = log.read_text(encoding="utf-8", errors="replace")
    seconds, held = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    faults = [
        *_faults_of_end(code, seconds, held - usual_bytes),
        *_faults_of_words(code, said),
        *_faults_of_folder(code, before, folder),
        *_left_running(child),
    ]
    return Verdict(code, seconds, held, said, tuple(faults))


def _run(arguments: list[str], folder: Path, log: Path) -> None:
    """Become the command; never returns."""
    code = 70
    try:
        os.setsid()
        handle = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        for stream in (1, 2):
            os.dup2(handle, stream)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_ROOM, _ADDRESS_ROOM))
        resource.setrlimit(resource.RLIMIT_CPU, (3 * CPU_SECONDS, 3 * CPU_SECONDS))
        os.chdir(folder)
        code = main(arguments)
    except BaseException:  # noqa: BLE001 - as the interpreter would
        import traceback  # noqa: PLC0415 - only then

        traceback.print_exc()
    finally:
        os._exit(code)


def _wait(child: int) -> tuple[int, resource.struct_rusage]:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return status, usage
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    return status, usage


def _faults_of_end(code: int, seconds: float, more: int) -> Iterator[str]:
    if code not in {0, 1, 2, 3}:
        yield f"it ended with {code}"
    if seconds > CPU_SECONDS:
        yield f"it took {seconds:.1f} s"
    if more > MORE_BYTES:
        yield f"it took {more / 1e9:.1f} GB more than usual"


def _faults_of_words(code: int, said: str) -> Iterator[str]:
    if "Traceback" in said:
        yield "a traceback"
    if code and not re.search(r"^(error|skipped.*): ", said, re.MULTILINE):
        yield "no sentence"
    if odd := _CONTROL.search(said):
        yield f"it printed {odd[0]!r}"


def _faults_of_folder(code: int, before: dict[str, str], folder: Path) -> Iterator[str]:
    after = _fingerprints(folder)
    changed = [name for name in before if after.get(name) != before[name]]
    if changed:
        yield f"it changed {changed}"
    outputs = [name for name in after if name not in before]
    if misplaced := [name for name in outputs if not name.startswith("OUT/")]:
        yield f"it wrote {misplaced}"
    if partial := [name for name in outputs if Path(name).name.startswith(".")]:
        yield f"it left {partial}"
    if code not in {0, 1} and outputs:
        yield f"it failed and wrote {outputs}"


def _left_running(group: int) -> Iterator[str]:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
        yield "a process was left"


def _fingerprints(folder: Path) -> dict[str, str]:
    """Return what every file of a folder is: a digest, or what kind of thing."""
    return {
        path.relative_to(folder).as_posix(): _fingerprint(path)
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }


def _fingerprint(path: Path) -> str:
    if path.is_symlink():
        return f"a link to {path.readlink()}"
    if not path.is_file():
        return "a pipe"
    state = path.stat()
    # A sparse file of gigabytes: its first part, its size and its time will do.
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(1 << 24)).hexdigest()
    return f"{state.st_size} {state.st_mtime_ns} {digest}"
