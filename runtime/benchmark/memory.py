"""Peak memory of one network, in a process of its own that runs this module.

The process loads and compiles the network, as for the first time, and runs it three times; its
peak is the high-water mark of everything it held, the interpreter and the library included.
"""

import json
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segpp.errors import GraphError, SegppError
from segpp.runtime.benchmark.case import BenchmarkCase
from segpp.utils.child import child_command

__all__ = ["PeakMemory", "measure_peak_memory"]

_RUNS = 3
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class PeakMemory:
    """What a process held, in bytes.

    Args:
        peak: The most that the process held.
        before: The most that it held before it loaded the network.
    """

    peak: int
    before: int


def measure_peak_memory(
    case: BenchmarkCase,
    image: Path,
    settings: dict[str, Any],
    *,
    channels: int = 3,
    reading: dict[str, Any] | None = None,
) -> PeakMemory:
    """Run a network in a process of its own.

    Args:
        case: The network; how it is run stands in ``settings``.
        image: What it segments.
        settings: Of ``open_session``, as far as JSON can tell them.
        channels: As many as the network takes.
        reading: More of how the image is read, as ``load_channels`` takes it.

    Raises:
        GraphError: The process failed, though the network ran in this one.
    """
    task = {
        "path": str(case.path),
        "image": str(image),
        "channels": channels,
        "reading": reading or {},
        "settings": settings,
    }
    done = subprocess.run(  # noqa: S603 - our own module
        child_command("segpp.runtime.benchmark.memory", json.dumps(task)),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise GraphError(f"{case.path} does not run in a process of its own", last)
    return PeakMemory(**json.loads(done.stdout))


def _measure(task: dict[str, Any]) -> dict[str, int]:
    from segpp.images.channels import load_channels  # noqa: PLC0415 - not in the help screen
    from segpp.runtime.inference.open_session import open_session  # noqa: PLC0415 - as above

    image = load_channels(Path(task["image"]), task["channels"], **task["reading"])
    before = _peak()
    with open_session(task["path"], **task["settings"]) as session:
        for _ in range(_RUNS):
            session([image] * session.input.batch)
    return {"peak": _peak(), "before": before}


def _peak() -> int:
    try:
        status = _STATUS.read_text(encoding="utf-8")
    except OSError:
        status = ""
    if peak := re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE):
        return int(peak[1]) * 1024
    # Second choice: Linux counts what the parent held when it started us. Bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    try:
        json.dump(_measure(json.loads(sys.argv[1])), sys.stdout)
    except SegppError as failure:
        # The parent shows one line; a traceback would end with a fact or a hint.
        sys.exit(failure.problem)
