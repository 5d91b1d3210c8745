"""What the numbers belong to: GPU, driver, clocks, compiler, PyTorch."""

import importlib.metadata
import os
import platform
import subprocess
from dataclasses import asdict

from benchmarks.gpu.machine.device import find_device, queried
from benchmarks.gpu.machine.nvcc import find_compiler
from benchmarks.gpu.results import record
from segpp.errors import SegppError

STAGE = "environment"
FIELDS = (
    "name",
    "driver_version",
    "pstate",
    "clocks.sm",
    "clocks.mem",
    "clocks.max.sm",
    "clocks.max.mem",
    "power.draw",
    "power.limit",
    "temperature.gpu",
    "memory.total",
    "memory.used",
    "persistence_mode",
    "ecc.mode.current",
    "mig.mode.current",
)
PACKAGES = ("torch", "numpy", "transformers", "triton", "pytest", "ml_dtypes", "hypothesis")


def main() -> None:
    """Record everything that can be asked."""
    device = find_device()
    record(STAGE, device=device and asdict(device), queried=queried(*FIELDS))
    machine = f"{platform.system()}-{platform.machine()}"
    record(STAGE, python=platform.python_version(), machine=machine)
    record(STAGE, cores=len(os.sched_getaffinity(0)), packages={p: _version(p) for p in PACKAGES})
    try:
        compiler = find_compiler()
        said = subprocess.run([compiler.program, "--version"], capture_output=True, text=True)  # noqa: PLW1510
        record(STAGE, nvcc=str(compiler.program), architecture=compiler.capability)
        record(STAGE, nvcc_version=said.stdout.strip().splitlines()[-2:])
    except SegppError as failure:
        record(STAGE, nvcc=str(failure))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
