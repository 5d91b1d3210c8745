"""By nvcc: the program that measures kernels, the operators of PyTorch and the tests' library.

Where the scripts are only tried, the operators alone, by the host compiler.
"""

import subprocess
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import benchmarks.gpu.kernels.own_tests  # noqa: F401 - before the first import from tests
from benchmarks.gpu.effort import trying
from benchmarks.gpu.machine.nvcc import find_compiler
from benchmarks.gpu.results import record
from benchmarks.kernels.compile_table import operator_sources
from tests.trt_plugins.kernels.device_library import build_for_device

STAGE = "build"
ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "build" / "gpu"
OPERATORS = FOLDER / "operators.so"
PROGRAM = FOLDER / "kernels_benchmark"

_PLUGINS = ROOT / "trt_plugins"
_KERNELS = operator_sources()
_BENCHMARK = sorted((_PLUGINS / "cuda_utils" / "benchmarks").glob("*.c*"))
_ENTRIES = ROOT / "benchmarks" / "gpu" / "kernels" / "operators.cu"


def main() -> None:
    """Build all side by side; one that fails does not stop the others."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if trying():
        _for_the_cpu()
        return
    builds = {"program": _program, "operators": _operators, "tests": _tests}
    with ThreadPoolExecutor() as pool:
        good = list(pool.map(_built, builds, builds.values()))
    if not all(good):
        raise SystemExit(1)


def _built(name: str, build: Callable[[], None]) -> bool:
    start = time.perf_counter()
    try:
        build()
    except Exception:  # noqa: BLE001 - the others may work
        text = traceback.format_exc()
        print(text, flush=True)
        record(STAGE, **{f"{name} failed": text[-4000:]})
        return False
    record(STAGE, **{f"{name}, seconds": round(time.perf_counter() - start, 2)})
    return True


def _program() -> None:
    sources = (*_BENCHMARK, *_KERNELS)
    find_compiler().build(sources, (_PLUGINS,), PROGRAM, shared=False)


def _operators() -> None:
    sources = (*_KERNELS, _ENTRIES)
    find_compiler().build(sources, (_PLUGINS,), OPERATORS, shared=True)


def _tests() -> None:
    build_for_device()


def _for_the_cpu() -> None:
    includes = [f"-I{_PLUGINS / 'cpu_emulation'}", f"-I{_PLUGINS}"]
    flags = ["-std=c++17", "-O2", "-ffp-contract=off", "-fno-strict-aliasing", "-fPIC", "-shared"]
    sources = [str(path) for path in (*_KERNELS, _ENTRIES)]
    command = ["g++", *flags, *includes, "-x", "c++", *sources, "-o", str(OPERATORS)]
    subprocess.run([*command, "-Wno-unknown-pragmas"], check=True)


if __name__ == "__main__":
    main()
