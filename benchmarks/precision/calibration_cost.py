r"""Seconds and peak memory of a calibration, beside one run of the network and other quantizers.

    python -m benchmarks.precision.calibration_cost FILE.onnx --pictures FOLDER --number 128 \
        --out FILE.json [--also 'NAME=COMMAND' ...]

Every command is a process of its own, one after the other, with as many threads as there are CPUs;
``--also`` adds those of other quantizers (``int8_peers`` with one of its ``--makers``).
"""

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common.scoring import cpu
from segpp.utils.files import check_writable

# segpp-calibrate without what other quantizers do not do: to choose, to judge, to come closer.
PLAIN = ("--no-equalize", "--no-bias-correction")


def main() -> None:
    """Measure all commands and write the result."""
    args = _arguments()
    check_writable(args.out)
    pictures = sorted(args.pictures.iterdir())
    chosen = pictures[:: max(1, len(pictures) // args.number)][: args.number]
    with TemporaryDirectory() as folder:
        listed = Path(folder, "pictures.txt")
        listed.write_text("".join(f"{one}\n" for one in chosen), encoding="utf-8")
        rows = {name: _measured(command) for name, command in _commands(args, listed).items()}
    found = {
        "file": args.file.name,
        "machine": cpu(),
        "threads": os.cpu_count(),
        "pictures": len(chosen),
        "rows": rows,
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table_of(found))


def table_of(found: dict[str, Any]) -> str:
    """Return a result as a Markdown table."""
    lines = ["| | seconds | peak MiB |", "|---|---|---|"]
    for name, row in found["rows"].items():
        failed = f", ended with {row['exit']}" if row["exit"] else ""
        lines.append(f"| {name} | {row['seconds']:.0f}{failed} | {row['peak_mib']:,} |")
    return "\n".join(lines)


def _commands(args: argparse.Namespace, listed: Path) -> dict[str, list[str]]:
    folder = listed.parent
    first = listed.read_text(encoding="utf-8").splitlines()[0]
    program = Path(sys.executable).with_name("segpp-calibrate")
    calibrate = [str(program), str(args.file), str(listed), "--target", args.target, "--no-timing"]
    run = [str(program.with_name("segpp-run")), str(args.file), first]
    found = {
        "segpp-run, one picture": [*run, "--out", str(folder / "one.png")],
        "segpp-calibrate, ranges alone": [
            *calibrate, *PLAIN, "--ranges", str(folder / "plain.json"),
            "-o", str(folder / "plain.onnx"),
        ],
        "segpp-calibrate": [
            *calibrate, "--ranges", str(folder / "whole.json"), "-o", str(folder / "whole.onnx"),
        ],
    }  # fmt: skip
    also = {name: shlex.split(line) for name, _, line in (one.partition("=") for one in args.also)}
    return {**found, **also}


def _measured(command: list[str]) -> dict[str, float | int]:
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "seconds": time.perf_counter() - start,
        "peak_mib": _mib(usage),
        "exit": process.returncode,
    }


def _mib(usage: resource.struct_rusage) -> int:
    # In KiB on Linux.
    return usage.ru_maxrss >> 10


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--number", type=int, default=128)
    parser.add_argument("--target", default="openvino")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
