"""The C++ runtime, built once for all tests of this folder, and ways to ask it."""

import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from tests.helpers.commands import Completed
from tests.helpers.debian import is_debian
from tests.runtime.cpp.building import HERE, build, onnxruntime_root, options
from tests.runtime.cpp.probing import Probe

BUILDS = HERE.parents[2] / "build" / "runtime_cpp"
TOOLS = ("cmake", "g++")


@dataclass(frozen=True)
class Built:
    """A build of the runtime."""

    folder: Path

    @property
    def tool(self) -> Path:
        return self.folder / "runtime" / "segpp_run"

    def run(self, *words: object, cwd: Path | None = None) -> Completed:
        """Run ``segpp_run``; a sanitizer's finding ends it with a code that is none of ours."""
        return subprocess.run(
            [str(self.tool), *map(str, words)],
            cwd=cwd, capture_output=True, text=True, check=False, timeout=300,
            env={"ASAN_OPTIONS": "exitcode=99", "UBSAN_OPTIONS": "exitcode=99:print_stacktrace=1"},
        )  # fmt: skip


def require_tools() -> None:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if not is_debian() or platform.machine() != "x86_64":
        pytest.skip("ONNX Runtime's C++ headers come from Debian, for x86-64 here")


def built(name: str, *more: str) -> Built:
    """Build what has changed since the last time; one process of this run after the other."""
    require_tools()
    folder = BUILDS / name
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        root = onnxruntime_root(folder / "onnxruntime")
        given = [*options(), f"-DSEGPP_ONNXRUNTIME_ROOT={root}", *more]
        build(HERE, folder / "build", given)
    return Built(folder / "build")


@pytest.fixture(scope="session")
def released() -> Built:
    """The runtime as its users build it."""
    return built("released")


@pytest.fixture(
    scope="session",
    params=["released", pytest.param("sanitized", marks=pytest.mark.slow)],
)
def runtime(request: pytest.FixtureRequest) -> Built:
    """The same, and among the slow tests with sanitizers."""
    if request.param == "released":
        found: Built = request.getfixturevalue("released")
        return found
    flags = ("-DSEGPP_SANITIZE=ON", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1")
    return built("sanitized", *flags)


@pytest.fixture(scope="session")
def probe(runtime: Built) -> Iterator[Probe]:
    """The insides of the runtime."""
    with Probe(runtime.folder / "probe") as one:
        yield one
