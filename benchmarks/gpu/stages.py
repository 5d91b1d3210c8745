"""The stages: each a process of its own with a limit of its own, so that none stops the others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from benchmarks.gpu.machine.build import OPERATORS, ROOT

__all__ = ["STAGES", "Outcome", "Stage", "run"]

_LAST = 3000  # bytes of a failed stage that the console shows


@dataclass(frozen=True)
class Stage:
    """A module of this folder, the file its results go to, and its seconds.

    Attributes:
        least: It is not begun with less time left.
        tried: Whether it can be tried without a GPU.
        on_request: Whether it takes too long to run unless it is named.
        tests: Whether it belongs to the kernels' tests, which may then take as long as they do.
    """

    module: str
    file: str
    seconds: float
    least: float = 5
    tried: bool = True
    on_request: bool = False
    tests: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a stage ended; no code where it was stopped or not begun."""

    stage: Stage
    seconds: float
    code: int | None
    note: str = ""


# By worth: whatever comes first is there when time is up.
STAGES = (
    Stage("machine.environment", "environment.json", 15, tests=True),
    Stage("machine.build", "environment.json", 80),
    Stage("kernels.program", "kernels.json", 40, tried=False),
    Stage("kernels.oracle_tests", "tests.json", 70, tried=False, tests=True),
    Stage("network.agreement", "network.json", 45),
    Stage("network.graphs", "network.json", 95, least=15),
    Stage("network.eager", "network.json", 40, least=12),
    Stage("kernels.beside", "beside.json", 40, least=10),
    Stage("kernels.sanitizer", "sanitizer.json", 60, least=30, tried=False, tests=True),
    Stage("network.compiled", "network.json", 120, least=30),
    # Builds take minutes: with --seconds 1200.
    Stage("engines.compare", "engines.json", 1200, least=300, on_request=True),
)


def run(stage: Stage, out: Path, seconds: float, log: BinaryIO) -> Outcome:
    """Run a stage for at most ``seconds``; what it says goes into ``log``."""
    log.write(f"\n===== {stage.module}, at most {seconds:.0f} s\n".encode())
    log.flush()
    begin, start = log.tell(), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", f"benchmarks.gpu.{stage.module}"],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env=_environment(out / stage.file),
        start_new_session=True,
    )
    note = ""
    try:
        code: int | None = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        code, note = None, f"stopped after {seconds:.0f} s; what it had found is kept"
    _end(process)
    if code != 0:
        _show(Path(log.name), begin)
    return Outcome(stage, time.perf_counter() - start, code, note)


def _environment(result: Path) -> Mapping[str, str]:
    path = [str(ROOT / "src"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "SEGPP_GPU_RESULT": str(result),
        "SEGPP_GPU_OPERATORS": str(OPERATORS),
        "HF_HUB_OFFLINE": "1",
    }


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the stage and whatever it started, which is a session of its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _show(log: Path, begin: int) -> None:
    with log.open("rb") as file:
        file.seek(begin)
        text = file.read().decode(errors="replace")
    print(text[-_LAST:], flush=True)
