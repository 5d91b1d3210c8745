"""The plugins for a board, from this machine; their kernels' tests where a board's code runs.

`make test-board` runs this. Nothing here is skipped: what is missing is an error, and says how to
get it.
"""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from platform import machine

import pytest

from segpp.errors import InputError
from segpp.runtime.system.elf import read_shared_library
from segpp.runtime.system.plugin_library import read_plugin_library
from tests.board.cross_compiler import plugins_for
from tests.trt_plugins.tensorrt.fetch import part

ROOT = Path(__file__).resolve().parents[2]
BOARDS = {"jetson-orin": 87, "jetson-thor": 110}
# What a JetPack has without anything of ours, CUDA or TensorRT.
SYSTEMS = {"libstdc++.so.6", "libgcc_s.so.1", "libc.so.6", "libm.so.6", "ld-linux-aarch64.so.1"}


@pytest.fixture(scope="module", params=BOARDS)
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A preset, and the library that it builds."""
    return request.param, plugins_for(request.param, tmp_path_factory.mktemp(request.param))


def said(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_library_is_of_the_board_and_says_what_it_was_built_for(built: tuple[str, Path]) -> None:
    _, library = built
    found = read_shared_library(library, "segppPluginInfo")

    assert found.machine == "aarch64"
    assert found.text == f"segpp={version('segpp')} tensorrt=10.16 kernels=cuda"
    with pytest.raises(InputError, match=f"is for aarch64, and this machine is {machine()}"):
        read_plugin_library(library)


def test_it_holds_the_boards_code_and_no_other(built: tuple[str, Path]) -> None:
    preset, library = built
    cuobjdump = part("toolkit") / "bin" / "cuobjdump"

    codes = said(cuobjdump, "--list-elf", library).splitlines()
    programs = said(cuobjdump, "--list-ptx", library)

    assert codes
    assert all(f"sm_{BOARDS[preset]}." in code for code in codes), codes
    assert "PTX file" not in programs


def test_it_gives_what_tensorrt_asks_for_and_needs_what_every_board_has(
    built: tuple[str, Path],
) -> None:
    _, library = built

    given = said("nm", "--dynamic", "--defined-only", "--format=posix", library).splitlines()
    needed = said("readelf", "--dynamic", "--wide", library).splitlines()

    ours = {line.split()[0] for line in given if not line.split()[0].startswith("_")}
    assert ours >= {"getCreators", "setLoggerFinder", "segppPluginInfo"}
    assert {line.split("[")[1][:-1] for line in needed if "(NEEDED)" in line} <= SYSTEMS


# Some of each kernel's tests: emulated, all of them would take an hour.
KERNELS = {
    "decode_head": "up_to_rounding and float16",
    "resize_argmax": "ties",
    "token_match": "exact_tokens and float16",
    "token_merge": "plain and bits_of_the_oracle",
    "token_unmerge": "not slow",
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_give_the_oracles_results_on_the_board(kernel: str) -> None:
    name = f"tests/trt_plugins/kernels/test_{kernel}_kernel.py"
    command = [sys.executable, "-m", "pytest", "-q", "-k", KERNELS[kernel], name]
    env = {**os.environ, "SEGPP_KERNELS_ON": "board"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-4000:]
    assert "SEGPP_KERNELS_ON=board" in done.stdout
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout
