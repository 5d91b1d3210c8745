"""Engines at the command line: each refusal one sentence, the right exit code, nothing written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers.commands import Completed
from tests.runtime.backends.engine.parts.engines import (
    ALTERATIONS,
    NO_GPU_HERE,
    rtx_engine,
    written_by,
)

__all__ = ["rtx_engine"]

pytestmark = pytest.mark.rtx
Command = Callable[..., Completed]
COMMANDS = ("run", "bench", "eval")


@pytest.fixture
def call(rtx_engine: Path, segpp: Command) -> Callable[..., Completed]:
    """Run one of COMMANDS on the engine, in its folder."""
    folder = rtx_engine.parent
    for name in ("images", "labels"):
        (folder / name).mkdir()
        array = np.zeros((32, 64, 3) if name == "images" else (32, 64), np.uint8)
        Image.fromarray(array).save(folder / name / "a.png")
    rest = {
        "run": ["images/a.png", "--out", "o.png"],
        "bench": ["--iterations", 1],
        "eval": ["--dataset", "."],
    }

    def call(command: str, *flags: object, model: str = "net.engine") -> Completed:
        return segpp(command, model, *rest[command], *flags, cwd=folder)

    return call


def first_line(done: Completed) -> str:
    return next(line for line in done.stderr.splitlines() if line.startswith("error: "))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_a_wrong_engine_is_refused_by_every_command(
    command: str, alteration: str, rtx_engine: Path, call: Callable[..., Completed]
) -> None:
    alter, code, said = ALTERATIONS[alteration]
    alter(rtx_engine)
    before = {path.name for path in rtx_engine.parent.iterdir()}

    done = call(command)

    assert done.returncode == code, done.stderr
    assert first_line(done).startswith(f"error: {said}")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert {path.name for path in rtx_engine.parent.iterdir()} == before


@NO_GPU_HERE
@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_gpu_every_command_ends_with_3_and_says_what_runs_here(
    command: str, call: Callable[..., Completed]
) -> None:
    done = call(command)

    assert done.returncode == 3
    assert first_line(done) == "error: net.engine runs on a GPU, and none answers here"
    assert "hint: run what it was built from, which needs none: net.onnx" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_without_its_library_every_command_ends_with_3_and_says_what_to_install(
    command: str, call: Callable[..., Completed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorrt_rtx", None)

    done = call(command)

    assert done.returncode == 3
    assert first_line(done) == "error: TensorRT-RTX is not installed"
    assert "hint: pip install 'segpp[rtx]'" in done.stderr


@NO_GPU_HERE
def test_trust_and_rebuild_are_flags_of_every_command(
    rtx_engine: Path, call: Callable[..., Completed]
) -> None:
    rtx_engine.with_name("net.engine.json").rename(rtx_engine.with_name("kept.json"))
    for command in COMMANDS:
        # It comes as far as the GPU.
        assert call(command, "--trust", "--no-cuda-graph").returncode == 3

    rtx_engine.with_name("kept.json").rename(rtx_engine.with_name("net.engine.json"))
    written_by(rtx_engine, (1, 4, 0, 76))
    for command in COMMANDS:
        done = call(command)
        assert done.returncode == 2
        assert "--backend tensorrt-rtx; or --rebuild-if-stale" in done.stderr
        assert call(command, "--rebuild-if-stale").returncode == 3


def test_the_hint_of_a_stale_engine_is_the_command_that_rebuilds_it(
    rtx_engine: Path, call: Callable[..., Completed], segpp: Command
) -> None:
    written_by(rtx_engine, (1, 4, 0, 76))
    told = call("run").stderr
    [hint] = [line for line in told.splitlines() if "hint: " in line]
    words = hint.partition("hint: segpp-")[2].partition(";")[0].split()

    rebuilt = segpp(*words, cwd=rtx_engine.parent)

    assert rebuilt.returncode == 0, rebuilt.stderr
    assert "another version" not in call("run").stderr


def test_engines_have_no_providers_of_onnxruntime(call: Callable[..., Completed]) -> None:
    done = call("run", "--provider", "tensorrt")

    assert done.returncode == 2
    assert first_line(done) == "error: unknown provider 'tensorrt'"


def test_an_engine_and_an_onnx_file_take_part_in_one_benchmark(
    rtx_engine: Path, segpp: Command
) -> None:
    """The engine is what stops it here, not that they are two kinds of file."""
    written_by(rtx_engine, (1, 4, 0, 76))

    done = segpp("bench", "net.onnx", "net.engine", "--iterations", 1, cwd=rtx_engine.parent)

    assert done.returncode == 2
    assert first_line(done) == "error: net.engine was built with another version"
