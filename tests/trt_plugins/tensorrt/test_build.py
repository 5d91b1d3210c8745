"""The library compiles without warnings against both generations of headers, or says why not."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from segpp.manifest import EngineInfo, PluginInfo, render_manifest
from segpp.utils.files import manifest_path
from tests.helpers.tiny_networks import manifest_of
from tests.runtime.cpp.building import RUNTIME, options
from tests.runtime.cpp.building import build as build_runtime
from tests.trt_plugins.tensorrt.conftest import HOST_LIBRARY, PLUGINS, ROOT, build
from tests.trt_plugins.tensorrt.fetch import part

SOURCES = sorted(
    path.name for path in PLUGINS.glob("*/*.cpp") if path.parent != PLUGINS / "benchmarks"
)


def configure(folder: Path, *options: str, preset: str = "host") -> str:
    """Configure what cannot work; return what CMake says, on one line."""
    done = subprocess.run(
        ["cmake", "--preset", preset, "-B", str(folder), *options],
        cwd=PLUGINS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    return " ".join(done.stderr.split())


def test_the_headers_of_tensorrt_11_compile_too(tmp_path: Path) -> None:
    said = build(tmp_path, part("headers-11"))

    assert "TensorRT 11.4" in said
    assert "warning" not in said
    assert (tmp_path / HOST_LIBRARY).exists()


def test_the_library_builds_from_the_sdist(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--sdist"]
    done = subprocess.run(
        [*command, "--outdir", str(tmp_path), str(ROOT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [archive] = tmp_path.glob("*.tar.gz")
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(tmp_path)], check=True)
    [plugins] = tmp_path.glob("segpp-*/trt_plugins")

    said = build(tmp_path / "out", part("headers-10"), sources=plugins)

    assert "warning" not in said
    assert (tmp_path / "out" / HOST_LIBRARY).exists()


def test_only_what_tensorrt_looks_for_is_visible(library: Path) -> None:
    done = subprocess.run(
        ["nm", "--dynamic", "--defined-only", "--format=just-symbols", str(library)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = set(done.stdout.split())

    assert {"getCreators", "setLoggerFinder"} <= names
    assert not [name for name in names if "5segpp" in name]


@pytest.mark.parametrize("headers", ["headers-10", "headers-11"])
def test_the_plugins_compile_with_cudas_own_headers_where_no_toolkit_is(
    tmp_path: Path, headers: str
) -> None:
    options = (
        f"-DCUDA_INCLUDE_DIR={part('toolkit') / 'include'}",
        "-DCMAKE_CUDA_COMPILER=/nowhere/nvcc",
    )

    said = build(tmp_path, part(headers), *options, preset="workstation")
    # Compiles one source again.
    more = build(
        tmp_path, part(headers), *options, "-DSEGPP_REGISTER_ON_LOAD=ON", preset="workstation"
    )

    assert "No CUDA compiler: only the plugins' own sources are compiled" in said
    assert "warning" not in said + more
    assert len(list(tmp_path.rglob("*.o"))) == len(SOURCES)


def test_the_wheels_of_cuda_alone_build_the_library_for_orin(tmp_path: Path) -> None:
    nvcc = part("toolkit") / "bin" / "nvcc"

    said = build(tmp_path, part("headers-10"), f"-DCMAKE_CUDA_COMPILER={nvcc}", preset="orin")

    assert "for 87-real" in said
    assert "warning" not in said
    assert (tmp_path / "libsegpp_plugins.so").exists()


def test_missing_headers_are_named_with_the_way_to_them(tmp_path: Path) -> None:
    said = configure(tmp_path, "-DTENSORRT_INCLUDE_DIR=/nowhere")

    assert "TensorRT's headers were not found (NvInferRuntime.h, looked in '/nowhere')" in said
    assert "-DTENSORRT_INCLUDE_DIR=/path/to/include" in said


def test_a_tensorrt_that_is_too_old_is_refused(tmp_path: Path) -> None:
    (tmp_path / "NvInferRuntime.h").touch()
    (tmp_path / "NvInferVersion.h").write_text(
        "#define NV_TENSORRT_MAJOR 8\n#define NV_TENSORRT_MINOR 6\n"
    )

    said = configure(tmp_path / "out", f"-DTENSORRT_INCLUDE_DIR={tmp_path}")

    assert "is too old: the plugins need 10.3, which came with JetPack 6.1" in said


def test_a_missing_toolkit_is_named_with_the_way_to_one(tmp_path: Path) -> None:
    options = (
        f"-DTENSORRT_INCLUDE_DIR={part('headers-10')}",
        "-DCMAKE_CUDA_COMPILER=/nowhere/nvcc",
    )

    said = configure(tmp_path, *options, preset="orin")

    assert "No CUDA compiler was found (CMAKE_CUDA_COMPILER is '/nowhere/nvcc')" in said
    assert "-DCMAKE_CUDA_COMPILER=/path/to/nvcc" in said


def test_registering_on_load_asks_for_the_library_it_links(tmp_path: Path) -> None:
    options = (f"-DTENSORRT_INCLUDE_DIR={part('headers-10')}", "-DSEGPP_REGISTER_ON_LOAD=ON")

    said = configure(tmp_path, *options)

    assert "SEGPP_REGISTER_ON_LOAD links libnvinfer.so, which was not found" in said


def runtime_in_cpp(folder: Path, headers: str) -> Path:
    """Build the C++ runtime for engines alone; return its command."""
    toolkit, libraries = part("toolkit"), part("libraries")
    given = (
        "-DSEGPP_TENSORRT=ON",
        "-DSEGPP_ONNXRUNTIME=OFF",
        f"-DTENSORRT_INCLUDE_DIR={part(headers)}",
        f"-DTENSORRT_LIBRARY={libraries / 'libnvinfer.so.10'}",
        f"-DCUDA_INCLUDE_DIR={toolkit / 'include'}",
        f"-DCUDA_RUNTIME_LIBRARY={toolkit / 'lib' / 'libcudart.so.13'}",
    )
    said = build_runtime(RUNTIME, folder, [*options(), *given])
    assert "warning" not in said
    return folder / "segpp_run"


def test_the_runtime_in_cpp_compiles_with_the_headers_of_tensorrt_11(tmp_path: Path) -> None:
    assert runtime_in_cpp(tmp_path, "headers-11").exists()


@pytest.fixture(scope="module")
def segpp_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C++ runtime's command, linked with the real TensorRT."""
    return runtime_in_cpp(tmp_path_factory.mktemp("runtime"), "headers-10")


ABOUT = EngineInfo("tensorrt", "10.15.1.29", ("8.7",), 1, 0, 0, 0, 0, 1.0, ran=True)
PLUGINS_OF_ENGINE = PluginInfo("libsegpp_plugins.so", "0" * 64, "0.1.0", "10.15")
REFUSALS = {
    "another TensorRT": "  built by: 10.3.0\n  here:     10.15.1\n  hint: build it here",
    "an older one that was built for that": "error: no GPU answers",
    "a newer one that was built for that": "was built by another TensorRT",
    "another library": "is an engine of tensorrt-rtx",
    "no plugins": "calls plugins, and their library is not here\n"
    "  built with: libsegpp_plugins.so 0.1.0 for TensorRT 10.15",
    "other plugins": "was built with another plugin library",
    "plugins within": "error: no GPU answers",
    "no GPU": "error: no GPU answers",
}
ENGINES = {
    "another TensorRT": (replace(ABOUT, version="10.3.0"), 2),
    "an older one that was built for that": (
        replace(ABOUT, version="10.13.3.9", version_compatible=True),
        3,
    ),
    "a newer one that was built for that": (
        replace(ABOUT, version="10.16.0", version_compatible=True),
        2,
    ),
    "another library": (replace(ABOUT, library="tensorrt-rtx", version="1.7.1"), 2),
    "no plugins": (replace(ABOUT, plugin_library=PLUGINS_OF_ENGINE), 3),
    "other plugins": (replace(ABOUT, plugin_library=PLUGINS_OF_ENGINE), 2),
    "plugins within": (replace(ABOUT, plugin_library=replace(PLUGINS_OF_ENGINE, embedded=True)), 3),
    "no GPU": (ABOUT, 3),
}


@pytest.mark.parametrize("name", ENGINES)
def test_the_runtime_in_cpp_refuses_an_engine_before_tensorrt_reads_it(
    segpp_run: Path, tmp_path: Path, name: str
) -> None:
    about, code = ENGINES[name]
    # No engine: whoever read it would say so.
    engine = tmp_path / "made.engine"
    engine.write_bytes(b"ftrt")
    manifest = replace(manifest_of(engine, "logits", 1), kind="engine", engine=about)
    manifest_path(engine).write_text(render_manifest(manifest))
    picture = shutil.copy(ROOT / "examples/street_scenes/images/900000.jpg", tmp_path)
    options = ["--plugin", picture] if name == "other plugins" else []

    done = subprocess.run(
        [str(segpp_run), *options, "--out", str(tmp_path), str(engine), picture],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == code, done.stderr
    assert REFUSALS[name] in done.stderr
