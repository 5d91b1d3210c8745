"""``segpp-export``: what it says while it works, and what it says it has checked."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from segpp.images import sample_image
from tests.helpers.commands import Completed, in_process

Command = Callable[..., Completed]


@pytest.fixture(scope="module")
def export(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Export a small network, with more flags."""
    folder = tmp_path_factory.mktemp("export")
    shutil.copy(tiny_checkpoint, folder / "tiny.pth")
    return lambda *flags: in_process("export", "tiny.pth", "tiny.onnx", *flags, cwd=folder)


@pytest.fixture(scope="module")
def plain(export: Command) -> Completed:
    return export("--size", "64x128")


@pytest.fixture(scope="module")
def merged(export: Command) -> Completed:
    return export("--size", "64x128", "--ratio", "0.5", "--parity-image", sample_image())


def check_lines(stdout: str) -> list[str]:
    """Return the line of the check and those that go on with it."""
    found = re.search(r"^check .*(\n {9}.*)*", stdout, re.MULTILINE)
    return found[0].splitlines() if found else []


def test_the_first_line_says_what_is_exported_and_at_which_size(plain: Completed) -> None:
    first, *steps = plain.stderr.splitlines()

    assert first == "exporting tiny.pth to tiny.onnx at 64x128 …"
    assert steps[0].startswith("reading the checkpoint … ")
    assert steps[1].startswith("tracing at 64x128 … ")


def test_the_bundled_picture_is_called_so(plain: Completed, merged: Completed) -> None:
    name = sample_image().name

    assert f"comparing with PyTorch on {name}, the bundled picture … " in plain.stderr
    assert f"comparing with PyTorch on {name} … " in merged.stderr


def test_the_check_of_a_merged_file_says_that_pytorch_merged_too(
    plain: Completed, merged: Completed
) -> None:
    [alone] = check_lines(plain.stdout)
    same, other = check_lines(merged.stdout)

    assert re.fullmatch(r"check +[01]\.\d{5} of the pixels agree with PyTorch in FP32; .*", alone)
    assert "agree with PyTorch in FP32 merging the same tokens; logits within" in same
    assert other.strip().startswith("(the unmerged network is another question")
    assert "segpp-eval" in other


def test_without_a_size_the_checkpoint_decides(export: Command) -> None:
    done = export("--no-check")

    assert done.stderr.startswith("exporting tiny.pth to tiny.onnx …\n")
    assert "\ntracing at 512x1024 … " in done.stderr
