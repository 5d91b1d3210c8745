"""The C++ runtime on a board: cross-compiled, run with JetPack 6's ONNX Runtime, emulated.

`make test-board` runs this. Nothing here is skipped: what is missing is an error, and says how to
get it.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.board import userland
from tests.board.cross_compiler import cross_compiled
from tests.runtime.cpp.test_labels import calibration_pictures

ROOT = Path(__file__).resolve().parents[2]
SCENES = ROOT / "examples" / "street_scenes"
# Trained, so that its masks have every class.
CHECKPOINT = SCENES / "segformer_b0_scenes.pth"
PICTURE = SCENES / "images" / "900000.jpg"
# On the board every product of numbers is emulated.
SIZE = "128x192"
FILES = {
    "none": ("--preset", "none"),
    "hq": ("--preset", "hq", "--outputs", "labels", "--input-dtype", "uint8"),
    "fast": ("--preset", "fast", "--fit", "letterbox"),
    "fp16": ("--preset", "hq", "--precision", "fp16", "--input-dtype", "float16"),
}


def here(*words: object) -> None:
    """Run a command of segpp on this machine."""
    command = [sys.executable, "-m", "segpp", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``segpp_run`` for the board."""
    return cross_compiled(tmp_path_factory.mktemp("cross"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that a board is given."""
    folder = tmp_path_factory.mktemp("files")
    for name, options in FILES.items():
        here("export", CHECKPOINT, folder / f"{name}.onnx", *options, "--size", SIZE, "--no-check")
    words = ("--target", "onnxruntime", "--no-timing", "--min-agreement", "0")
    pictures = calibration_pictures(folder / "pictures")
    here("calibrate", folder / "none.onnx", pictures, "-o", folder / "int8.onnx", *words)
    return folder


def labels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("name", [*FILES, "int8"])
def test_the_board_gets_the_labels_of_python_there_in_every_pixel(
    tool: Path, folder: Path, tmp_path: Path, name: str
) -> None:
    model = folder / f"{name}.onnx"
    paths = f"{ROOT / 'src'}:{userland.site()}"
    words = [userland.python(), "-m", "segpp", "run", model, PICTURE, "--save", "mask"]
    there = userland.run([*words, "--out", tmp_path / "python/"], {"PYTHONPATH": paths})
    assert there.returncode == 0, there.stderr

    done = userland.run([tool, "--threads", 1, "--out", tmp_path, model, PICTURE])

    assert done.returncode == 0, done.stderr
    assert f"onnxruntime {userland.ONNXRUNTIME} (cpu)" in done.stdout
    found = labels(tmp_path / "900000.mask.png")
    assert len(np.unique(found)) > 2, "masks of one class could hardly differ"
    assert (found == labels(tmp_path / "python" / "900000.mask.png")).all()


@pytest.mark.parametrize("name", ["none", "hq"])
def test_the_board_gets_the_labels_of_this_machine(
    tool: Path, folder: Path, tmp_path: Path, name: str
) -> None:
    model = folder / f"{name}.onnx"
    here("run", model, PICTURE, "--save", "mask", "--out", f"{tmp_path}/python/")

    done = userland.run([tool, "--out", tmp_path, model, PICTURE])

    assert done.returncode == 0, done.stderr
    assert (
        labels(tmp_path / "900000.mask.png") == labels(tmp_path / "python" / "900000.mask.png")
    ).all()


def test_a_refusal_there_has_its_sentence_and_exit_code(
    tool: Path, folder: Path, tmp_path: Path
) -> None:
    done = userland.run([tool, "--out", tmp_path, folder / "none.onnx", "/dev/video-none"])

    assert done.returncode == 2
    # ONNX Runtime itself says first that it does not know the emulator's processor.
    assert "error: the camera /dev/video-none is not there" in done.stderr.splitlines()
