"""A network, pictures and labels in a folder, and the command in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.calibrate.quantizable_network import save_network, save_pictures
from tests.helpers.commands import Completed

Command = Callable[..., Completed]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network, pictures and labels, in the folder in which commands run."""
    save_network(tmp_path / "b.onnx")
    save_pictures(tmp_path / "pictures", labels=tmp_path / "labels")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def calibrate(segpp: Command, *more: object, pictures: object = "pictures") -> Completed:
    return segpp("calibrate", "b.onnx", pictures, "-o", "b.int8.onnx", "--no-timing", *more)
