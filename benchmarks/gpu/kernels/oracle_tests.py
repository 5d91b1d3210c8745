"""The kernels' tests of tests/trt_plugins on the GPU, with what failed and why."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.gpu.results import record

STAGE = "oracle tests on the GPU"
ROOT = Path(__file__).resolve().parents[3]
FILES = ("token_match", "token_merge", "token_unmerge", "resize_argmax")
PROCESSES = "8"


class Tally:
    """Counts of outcomes, and the text of every failure."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.failures: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test when it was called, or failed or was skipped before."""
        if report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] = self.counts.get(report.outcome, 0) + 1
        if report.failed:
            self.failures[report.nodeid] = report.longreprtext[-1500:]
            record(STAGE, failures=self.failures)


def main() -> None:
    """Run them in this process, or in several where pytest-xdist is."""
    os.environ["SEGPP_KERNELS_ON"] = "cuda"
    os.chdir(ROOT)
    files = [f"tests/trt_plugins/kernels/test_{name}_kernel.py" for name in FILES]
    tally = Tally()
    code = pytest.main([*_options(), *files], plugins=[tally])
    record(STAGE, code=int(code), counts=tally.counts, failures=tally.failures)
    record(STAGE, left_out="what is marked emulation: tests of the CPU emulation and its counts")
    raise SystemExit(code)


def _options() -> list[str]:
    options = [
        "-q",
        "-p",
        "benchmarks.gpu.kernels.own_tests",
        "--tb=short",
        "--maxfail=20",
        "-p",
        "no:cacheprovider",
        "--durations=5",
    ]
    # Another pytest or plugin of the machine may warn of what ours does not.
    options += ["-o", "filterwarnings=default", "-o", "minversion=7"]
    return [*options, "-n", PROCESSES] if find_spec("xdist") else options


if __name__ == "__main__":
    main()
