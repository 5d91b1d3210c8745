"""The C++ benchmark of the kernels: its lines of JSON."""

import json
import subprocess

from benchmarks.gpu.machine.build import PROGRAM
from benchmarks.gpu.machine.device import clocks
from benchmarks.gpu.results import record

STAGE = "kernels_benchmark"


def main() -> None:
    """Run the program once."""
    record(STAGE, clocks_before=clocks())
    lines = []
    with subprocess.Popen([PROGRAM, "--json"], stdout=subprocess.PIPE, text=True) as process:
        for text in process.stdout or ():
            print(text, end="", flush=True)
            lines.append(json.loads(text))
            record(STAGE, lines=lines)
    record(STAGE, code=process.returncode, clocks_after=clocks())
    raise SystemExit(process.returncode)


if __name__ == "__main__":
    main()
