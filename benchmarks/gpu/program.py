"""The C++ benchmark of the kernels: its lines of JSON, then its table for readers."""

import json
import subprocess

from benchmarks.gpu.build import PROGRAM
from benchmarks.gpu.device import clocks
from benchmarks.gpu.results import record

STAGE = "kernels_benchmark"


def main() -> None:
    """Run the program once."""
    record(STAGE, clocks_before=clocks())
    done = subprocess.run([PROGRAM, "--json"], stdout=subprocess.PIPE, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    record(STAGE, code=done.returncode, lines=lines, clocks_after=clocks())
    for line in lines:
        print(json.dumps(line), flush=True)
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
