"""Where the plugin library is looked for, and what ``segpp-doctor`` says of it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.runtime.system.plugins import LIBRARY, VARIABLE, find_plugins

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def touched(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


def test_everything_is_found_where_jetpack_puts_it(tmp_path: Path) -> None:
    nvcc = touched(tmp_path / "usr/local/cuda/bin/nvcc")
    headers = touched(tmp_path / "usr/include/NvInferRuntime.h")
    library = touched(tmp_path / "usr/local/lib" / LIBRARY)
    cmake = touched(tmp_path / "bin/cmake")

    found = find_plugins(tmp_path, {"PATH": str(cmake.parent)})

    assert found.library.path == str(library)
    assert found.compiler.path == str(nvcc)
    assert found.headers.path == str(headers)
    assert found.cmake.path == str(cmake)
    assert found.missing_to_build == ()


def test_on_an_empty_machine_every_place_is_told(tmp_path: Path) -> None:
    found = find_plugins(tmp_path, {})

    assert found.missing_to_build == ("CUDA's compiler", "TensorRT's headers", "CMake")
    assert found.compiler.looked_in == (str(tmp_path / "usr/local/cuda/bin/nvcc"),)
    assert str(tmp_path / "usr/lib" / LIBRARY) in found.library.looked_in


def test_what_the_environment_names_comes_first(tmp_path: Path) -> None:
    elsewhere = touched(tmp_path / "elsewhere/any.so")
    touched(tmp_path / "usr/local/lib" / LIBRARY)
    nvcc = touched(tmp_path / "cuda/bin/nvcc")
    headers = touched(tmp_path / "trt/include/NvInferRuntime.h")
    variables = {
        VARIABLE: str(elsewhere),
        "CUDA_HOME": str(tmp_path / "cuda"),
        "TENSORRT_ROOT": str(tmp_path / "trt"),
    }

    found = find_plugins(tmp_path, variables)

    assert found.library.path == str(elsewhere)
    assert found.compiler.path == str(nvcc)
    assert found.headers.path == str(headers)


def test_a_named_library_that_is_missing_is_not_replaced_by_another(tmp_path: Path) -> None:
    touched(tmp_path / "usr/local/lib" / LIBRARY)
    named = str(tmp_path / "gone.so")

    found = find_plugins(tmp_path, {VARIABLE: named})

    assert found.library.path is None
    assert found.library.looked_in == (named,)


def test_the_doctor_says_what_is_missing(
    segpp: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone.so"))

    done = segpp("doctor", "--json")

    found = json.loads(done.stdout)
    [ability] = [one for one in found["abilities"] if one["key"] == "plugins"]
    assert not ability["works"]
    assert f"{VARIABLE} names {tmp_path / 'gone.so'}, which does not exist" in ability["reason"]
    assert "trt_plugins/README.md" in ability["fix"]
    assert found["plugins"]["library"] == {"path": None, "looked_in": [str(tmp_path / "gone.so")]}
    assert f"library             not found in {tmp_path}" in segpp("doctor").stdout


def test_a_library_without_tensorrt_is_of_no_use_and_said_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = touched(tmp_path / LIBRARY)
    monkeypatch.setenv(VARIABLE, str(library))
    program = (
        "import sys; sys.modules['tensorrt'] = None\n"
        "from segpp.cli import main; sys.exit(main(['doctor', '--json']))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    [ability] = [one for one in json.loads(done.stdout)["abilities"] if one["key"] == "plugins"]
    assert ability["reason"] == f"{library} is here, and TensorRT's Python module is not"


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (b"no library at all" * 9, "is no shared library")]
)
def test_what_is_no_library_is_found_out_when_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, said: str
) -> None:
    library = tmp_path / LIBRARY
    library.write_bytes(content)
    monkeypatch.setenv(VARIABLE, str(library))

    done = subprocess.run(
        [sys.executable, "-m", "segpp.runtime.system.self_test", "plugins"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]
