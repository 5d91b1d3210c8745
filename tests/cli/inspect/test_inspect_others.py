"""What ``segpp-inspect`` says of files that are none of its own."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def a_picture(path: Path) -> None:
    Image.new("RGB", (4, 4)).save(path, "PNG")


def half_a_model(path: Path) -> None:
    path.write_bytes(b"\x08\x08\x3a\xff\x01")


def a_configuration(path: Path) -> None:
    path.write_text('{"model_type": "segformer"}')


def a_web_page(path: Path) -> None:
    path.write_text("<!doctype html><title>404</title>")


@pytest.mark.parametrize(
    ("name", "write", "says"),
    [
        ("x.pth", a_picture, "is a PNG image"),
        ("x.bin", a_web_page, "is a web page"),
        ("x.onnx", half_a_model, "is not an ONNX file, or only part of one"),
        ("x.json", a_configuration, "has the schema None"),
    ],
)
def test_other_files_are_named_for_what_they_are(
    segpp: Command, tmp_path: Path, name: str, write: Callable[[Path], None], says: str
) -> None:
    write(tmp_path / name)

    done = segpp("inspect", tmp_path / name)

    assert done.returncode == 2
    assert says in done.stderr
