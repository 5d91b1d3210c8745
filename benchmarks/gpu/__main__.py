"""Measure everything that takes a GPU, in four minutes at most.

    python -m benchmarks.gpu --out FOLDER

FOLDER then holds a log, and a JSON file for each group of stages. ``--try`` runs the same scripts
on the CPU, at sizes at which numbers mean nothing.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.gpu.effort import TRYING, trying
from benchmarks.gpu.machine.device import find_device
from benchmarks.gpu.stages import STAGES, Outcome, Stage, run
from benchmarks.gpu.summary import summary

_SECONDS = 235.0
_TEST_SECONDS = 900.0
# A CPU that plays the kernels is slower.
_PATIENCE = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stages; return 0 if all were good, 1 if not, 3 without a GPU."""
    given = _parsed(arguments)
    if given.trying:
        os.environ |= {TRYING: "1", "CUDA_VISIBLE_DEVICES": ""}
    elif not find_device():
        # Tests without what they test are skipped; whoever asks for numbers gets none.
        print(f"{'skipped' if given.tests else 'error'}: the CUDA driver knows no GPU here")
        return 0 if given.tests else 3
    given.out.mkdir(parents=True, exist_ok=True)
    chosen = [one for one in STAGES if one.module in given.stages and (one.tried >= given.trying)]
    usual = _TEST_SECONDS if given.tests else _SECONDS
    seconds = _limit(usual) if given.seconds is None else given.seconds
    deadline = time.perf_counter() + seconds
    outcomes = list(_outcomes(chosen, given.out, deadline, tests=given.tests))
    print(f"\n{summary(given.out)}\n")
    for outcome in outcomes:
        print(_line(outcome))
    return int(any(outcome.code != 0 for outcome in outcomes))


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    names = [stage.module for stage in STAGES]
    parser.add_argument("--out", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--seconds", type=float, help="for all stages together")
    usual = [stage.module for stage in STAGES if not stage.on_request]
    parser.add_argument("--stages", nargs="+", choices=names, default=usual, metavar="STAGE")
    parser.add_argument("--tests", action="store_true", help="the kernels' tests alone, whole")
    parser.add_argument("--try", action="store_true", dest="trying", help="on the CPU, tiny")
    given = parser.parse_args(arguments)
    if given.tests:
        given.stages = [stage.module for stage in STAGES if stage.tests]
    return given


def _outcomes(
    stages: Sequence[Stage], out: Path, deadline: float, *, tests: bool
) -> Iterator[Outcome]:
    with (out / "log.txt").open("ab") as log:
        for stage in stages:
            left = deadline - time.perf_counter()
            if left < stage.least:
                outcome = Outcome(stage, 0, None, f"not begun: {left:.0f} s were left")
            else:
                most = left if tests else min(left, _limit(stage.seconds))
                outcome = run(stage, out, most, log)
            print(_line(outcome), flush=True)
            yield outcome


def _limit(seconds: float) -> float:
    return seconds * _PATIENCE if trying() else seconds


def _line(outcome: Outcome) -> str:
    code = "-" if outcome.code is None else outcome.code
    return f"{outcome.stage.module:20s} {outcome.seconds:6.1f} s  code {code}  {outcome.note}"


if __name__ == "__main__":
    sys.exit(main())
