"""The real TensorRT, our library in it, and exported networks, for the tests of this folder.

Nothing here is skipped: what is missing is an error, and says how to get it.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.trt_plugins.tensorrt.fetch import part

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
PLUGINS = ROOT / "trt_plugins"

# Small, and with the structure of the large: every site still merges.
SIZES = {"b0": "256x512", "b2": "128x256", "vit": "96x64"}
# No cell divides the grids of this one.
SETTINGS_SIZE = "132x196"

# What TensorRT's own tool sets to work without a device; for 10.15, undocumented.
WITHOUT_A_GPU = {"TRT_INTERNAL_OPTIONS": "--cpu_only=1"}

HOST_LIBRARY = "libsegpp_plugins_host.so"

Inside = Callable[..., Any]


def build(
    folder: Path, headers: Path, *options: str, preset: str = "host", sources: Path = PLUGINS
) -> str:
    """Configure and build the library in ``folder``; return everything the tools said."""
    configure = ["cmake", "--preset", preset, "-B", str(folder), *options]
    configure.append(f"-DTENSORRT_INCLUDE_DIR={headers}")
    said = ""
    for command in (configure, ["cmake", "--build", str(folder), "--parallel", "2"]):
        done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
        said += done.stdout + done.stderr
        if done.returncode:
            pytest.fail(f"{' '.join(command)}\n{said}")
    return said


def _exporting(name: str, folder: Path) -> "subprocess.Popen[bytes]":
    module = "tests.trt_plugins.tensorrt.export_models"
    command = [sys.executable, "-m", module, name, SIZES.get(name, SETTINGS_SIZE), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=log
        )


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Start the exports of every network; they take as long as everything else together."""
    folder = tmp_path_factory.mktemp("models")
    running = {name: _exporting(name, folder) for name in SIZES}
    yield {"folder": folder, "running": running}
    for process in running.values():
        process.kill()
        process.wait()


@pytest.fixture(scope="session", autouse=True)
def _exports_begin_first(request: pytest.FixtureRequest) -> None:
    used = (getattr(item, "fixturenames", ()) for item in request.session.items)
    if any({"all_models", "b0_models"} & {*names} for names in used):
        request.getfixturevalue("exports")


def _wait_for(exports: dict[str, Any], name: str) -> list[Path]:
    if exports["running"][name].wait(timeout=1800):
        pytest.fail((exports["folder"] / f"{name}.log").read_text())
    return sorted(exports["folder"].glob(f"{name}-*.onnx"))


@pytest.fixture(scope="session")
def all_models(exports: dict[str, Any]) -> list[Path]:
    """B0, B2 and a small ViT in FP32 and halves, without merging and merged in several ways."""
    return [path for name in exports["running"] for path in _wait_for(exports, name)]


@pytest.fixture(scope="session")
def b0_models(exports: dict[str, Any]) -> dict[str, Path]:
    """Those of B0, by what they merge and their precision: "hq-fp16"."""
    return {path.stem.removeprefix("b0-"): path for path in _wait_for(exports, "b0")}


@pytest.fixture(scope="session")
def models(all_models: list[Path]) -> list[Path]:
    """Those that merge."""
    return [path for path in all_models if "-none-" not in path.name]


@pytest.fixture(scope="session")
def setting_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Five blocks in FP16 with every setting of every site, by the settings' name."""
    folder = tmp_path_factory.mktemp("settings")
    exports = {"folder": folder, "running": {"settings": _exporting("settings", folder)}}
    paths = _wait_for(exports, "settings")
    return {path.stem.removeprefix("settings-").removesuffix("-fp16"): path for path in paths}


@pytest.fixture(scope="session")
def host_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the build for the CPU, against the headers of TensorRT 10."""
    folder = tmp_path_factory.mktemp("host")
    build(folder, part("headers-10"))
    return folder


@pytest.fixture(scope="session")
def library(host_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library whose kernels run on the CPU, as TensorRT loads it."""
    out = tmp_path_factory.mktemp("library")
    return Path(shutil.copy(host_build / HOST_LIBRARY, out))


@pytest.fixture(scope="session")
def self_registering(host_build: Path, library: Path) -> Path:
    """The same library, registering its plugins as soon as it is loaded."""
    assert library.exists()
    nvinfer = part("libraries") / "libnvinfer.so.10"
    options = ("-DSEGPP_REGISTER_ON_LOAD=ON", f"-DTENSORRT_LIBRARY={nvinfer}")
    build(host_build, part("headers-10"), *options)
    return host_build / HOST_LIBRARY


@pytest.fixture(scope="session")
def inside() -> Inside:
    """Run a script of ``inside/`` in the real TensorRT, without a GPU, in a process of its own."""

    def run(script: str, *arguments: object, given: object = None) -> Any:
        paths = (part("bindings"), ROOT / "src", ROOT)
        environment = {
            **os.environ,
            **WITHOUT_A_GPU,
            "LD_LIBRARY_PATH": str(part("libraries")),
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
        }
        done = subprocess.run(
            [sys.executable, str(HERE / "inside" / script), *map(str, arguments)],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env=environment,
        )
        if done.returncode:
            pytest.fail(f"{script} ended with {done.returncode}\n{done.stderr}")
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that calls a plugin as TensorRT does."""
    out = tmp_path_factory.mktemp("driver") / "libdriver.so"
    includes: Sequence[str] = (
        f"-isystem{part('headers-10')}",
        f"-I{PLUGINS / 'cpu_emulation'}",
    )
    flags = ("-std=c++17", "-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror")
    command = [os.environ.get("CXX", "g++"), *flags, *includes, str(HERE / "driver.cpp")]
    done = subprocess.run(
        [*command, "-o", str(out), "-ldl"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(done.stderr)
    return out
