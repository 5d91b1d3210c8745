"""compute-sanitizer over small calls of every kernel.

Stray accesses, races, barriers that some pass by, and memory that is read before it is written.
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu.machine.nvcc import find_compiler
from benchmarks.gpu.results import record

STAGE = "compute-sanitizer"
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
FAULTS = 9


def main() -> None:
    """Run one tool after the other."""
    beside = find_compiler().program.with_name("compute-sanitizer")
    program = beside if beside.is_file() else shutil.which("compute-sanitizer")
    if not program:
        record(STAGE, missing="no compute-sanitizer beside nvcc or on the PATH")
        raise SystemExit(3)
    codes = [_checked(Path(program), tool) for tool in TOOLS]
    raise SystemExit(max(codes))


def _checked(program: Path, tool: str) -> int:
    start = time.perf_counter()
    options = ["--tool", tool, "--error-exitcode", str(FAULTS), "--print-limit", "20"]
    command = [str(program), *options, sys.executable, "-m", "benchmarks.gpu.kernels.sanitized"]
    output = subprocess.PIPE
    done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout[-3000:], flush=True)
    seconds = round(time.perf_counter() - start, 1)
    said = {"code": done.returncode, "seconds": seconds, "end": done.stdout.splitlines()[-25:]}
    record(STAGE, **{tool: said})
    return done.returncode


if __name__ == "__main__":
    main()
