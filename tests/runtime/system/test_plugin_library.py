"""What a plugin library says of itself, and which are refused before they are loaded.

The libraries here hold the text and the entries of a real one, and end the process that loads them.
"""

import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.errors import InputError
from segpp.runtime.system.plugin_library import check_plugin_library, read_plugin_library
from segpp.utils.files import sha256_of

ROOT = Path(__file__).resolve().parents[3]
WORDS = "segpp=0.1.0 tensorrt=10.16 kernels=cuda"
ENTRIES = "void getCreators(void) {} void setLoggerFinder(void) {}"

Made = Callable[..., Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def make(words: str | None = WORDS, entries: str = ENTRIES) -> Path:
        trap = "__attribute__((constructor)) static void runs(void) { __builtin_trap(); }"
        text = "" if words is None else f'const char segppPluginInfo[] = "{words}";'
        (tmp_path / "p.c").write_text(f"{text}\n{entries}\n{trap}\n")
        path = tmp_path / "libsegpp_plugins.so"
        command = ["cc", "-shared", "-fPIC", "-o", str(path), str(tmp_path / "p.c")]
        subprocess.run(command, check=True)
        return path

    return make


def test_a_library_tells_its_version_and_whose_plugins_it_has(made: Made) -> None:
    path = made()

    found = read_plugin_library(path)

    assert (found.version, found.tensorrt, found.major, found.on_gpu) == (
        "0.1.0",
        "10.16",
        10,
        True,
    )
    assert found.sha256 == sha256_of(path)


def test_the_tests_own_library_is_told_apart(made: Made) -> None:
    assert not read_plugin_library(made(WORDS.replace("cuda", "cpu"))).on_gpu


@pytest.mark.parametrize("version", ["10.3.0", "10.16.2.10"])
def test_any_minor_version_of_the_same_major_will_do(made: Made, version: str) -> None:
    check_plugin_library(read_plugin_library(made()), version)


@pytest.mark.parametrize("version", ["8.6.2", "11.4.1"])
def test_another_major_version_is_refused_by_name(made: Made, version: str) -> None:
    path = made()

    with pytest.raises(
        InputError, match=f"{path} was built for TensorRT 10.16, and this is TensorRT {version}"
    ):
        check_plugin_library(read_plugin_library(path), version)


@pytest.mark.parametrize(
    ("words", "entries", "told"),
    [
        (None, ENTRIES, "it has no segppPluginInfo"),
        ("tensorrt 10", ENTRIES, "its segppPluginInfo is 'tensorrt 10'"),
        (WORDS, "void setLoggerFinder(void) {}", "registers itself.*\n.*no getCreators"),
    ],
    ids=["another library", "another text", "self-registering"],
)
def test_what_tensorrt_could_not_load_is_refused(
    made: Made, words: str | None, entries: str, told: str
) -> None:
    path = made(words, entries)

    with pytest.raises(InputError, match=told):
        read_plugin_library(path)


def test_a_library_for_another_machine_is_refused(made: Made) -> None:
    path = made()
    data = bytearray(path.read_bytes())
    other = 62 if platform.machine() == "aarch64" else 183
    data[18:20] = other.to_bytes(2, "little")
    path.write_bytes(data)

    with pytest.raises(InputError, match=f"and this machine is {platform.machine()}"):
        read_plugin_library(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "does not exist"), (b"", "is empty"), (b"hello", "is no shared library")],
    ids=["missing", "empty", "text"],
)
def test_what_is_no_library_is_refused(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "p.so"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InputError, match=told):
        read_plugin_library(path)


def test_the_library_is_of_the_version_of_segpp() -> None:
    """Its CMake project has no other way to know."""
    cmake = (ROOT / "trt_plugins" / "CMakeLists.txt").read_text()
    python = (ROOT / "pyproject.toml").read_text()

    version = cmake.partition("project(segpp_plugins VERSION ")[2].split()[0]

    assert f'\nversion = "{version}"\n' in python
