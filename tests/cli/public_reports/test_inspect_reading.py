"""``segpp-inspect`` on a checkpoint takes the flags that its errors and the export recommend."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from segpp import inspect
from tests.cli.public_reports.commands import saved
from tests.helpers.commands import HEAVY, in_process, python_without
from tests.helpers.reported_networks import mmseg_state

MAIN = "from segpp.cli import main; sys.exit(main(sys.argv[1:]))"


def report(checkpoint: Path, *flags: str) -> dict[str, Any]:
    done = in_process("inspect", checkpoint, "--json", *flags)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def distilled(tmp_path: Path) -> Path:
    """A student of four classes and its teacher of seven."""
    student, teacher = mmseg_state(), mmseg_state(classes=7)
    both = {f"student.{name}": tensor for name, tensor in student.items()}
    both |= {f"teacher.{name}": tensor for name, tensor in teacher.items()}
    return saved(both, tmp_path / "distilled.pth")


def test_the_prefix_that_the_error_recommends_is_taken(distilled: Path) -> None:
    done = in_process("inspect", distilled)

    assert done.returncode == 2
    assert "--prefix teacher" in done.stderr
    assert report(distilled, "--prefix", "teacher")["architecture"]["classes"] == 7
    assert report(distilled, "--prefix", "student")["architecture"]["classes"] == 4


def test_tensors_can_be_ignored_as_the_error_says(tmp_path: Path) -> None:
    beside = {"adapter.weight": torch.zeros(3, 3, 1, 1)}
    inner = {f"model.{name}": tensor for name, tensor in mmseg_state().items()}
    checkpoint = saved(inner | beside, tmp_path / "adapter.pth")

    done = in_process("inspect", checkpoint)

    assert done.returncode == 2
    assert "--ignore-tensors 'adapter.*'" in done.stderr
    assert report(checkpoint, "--ignore-tensors", "adapter.*")["ignored"] == ["adapter.weight"]


def test_heads_averaged_weights_and_colours_are_those_that_are_given(tmp_path: Path) -> None:
    both = {"state_dict": mmseg_state(), "state_dict_ema": mmseg_state(classes=7)}
    checkpoint = saved(both, tmp_path / "ema.pth")

    raw = report(checkpoint)
    given = report(checkpoint, "--weights", "ema", "--heads", "1,2,4,8", "--colors", "bgr")

    assert raw["architecture"]["heads"] == [1, 2, 5, 8]
    assert (given["architecture"]["heads"], given["architecture"]["classes"]) == ([1, 2, 4, 8], 7)
    assert any("trained on BGR" in note for note in given["notes"])
    same = inspect(checkpoint, weights="ema", heads=(1, 2, 4, 8), colors="bgr")
    assert json.loads(same.json()) == given


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--weights emma", "unknown weights 'emma'"),
        ("--colors grb", "unknown colors 'grb'"),
        ("--heads 1,2,x", "no whole numbers"),
        ("--heads 1,2,5", "expected: 4 whole numbers"),
        ("--checkpoint-format nvlab", "unknown checkpoint format 'nvlab'"),
        ("--size 16x200", "below 32 pixels"),
        ("--ratio 2", "--ratio 2"),
        ("--reduce 3.q=bms", "bms"),
    ],
)
def test_a_wrong_argument_is_told_before_a_heavy_package_is_imported(
    tmp_path: Path, arguments: str, says: str
) -> None:
    saved(mmseg_state(), tmp_path / "a.pth")

    done = python_without(HEAVY, f"import sys; {MAIN}", "inspect", "a.pth", *arguments.split(),
                          cwd=tmp_path)  # fmt: skip

    assert done.returncode == 2, done.stderr
    assert says in done.stderr


@pytest.mark.parametrize("flags", [("--prefix", "model"), ("--weights", "ema")])
def test_flags_of_reading_go_with_a_checkpoint_alone(
    tmp_path: Path, flags: tuple[str, str]
) -> None:
    (tmp_path / "x.onnx").write_bytes(b"\x08\x08\x12\x05segpp")

    done = in_process("inspect", tmp_path / "x.onnx", *flags)

    assert done.returncode == 2
    assert f"{flags[0]} goes with a checkpoint" in done.stderr
