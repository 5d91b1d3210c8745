"""The runtime as others link it: installed, found by CMake; and a build that lacks something."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

from segpp.images.preprocess import load_image
from segpp.runtime.inference.open_session import open_session
from tests.helpers.tiny_networks import Network
from tests.runtime.cpp.building import RUNTIME, build, options
from tests.runtime.cpp.conftest import Built, require_tools

PICTURE = Path(__file__).resolve().parents[3] / "examples/street_scenes/images/900000.jpg"


def configure(folder: Path, *options: str) -> str:
    """Configure what cannot work; return what CMake says, on one line."""
    command = ["cmake", "-S", str(RUNTIME), "-B", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode
    return " ".join(done.stderr.split())


def test_the_example_finds_the_installed_library_and_gives_the_labels_of_python(
    released: Built, network: Network, tmp_path: Path
) -> None:
    prefix = tmp_path / "installed"
    command = ["cmake", "--install", str(released.folder / "runtime"), "--prefix", str(prefix)]
    subprocess.run(command, check=True, capture_output=True)
    # Nothing but what is installed may be found.
    source = shutil.copytree(RUNTIME / "examples" / "mask_of_picture", tmp_path / "example")
    build(source, tmp_path / "out", [f"-DCMAKE_PREFIX_PATH={prefix}"])
    model = network()

    done = subprocess.run(
        [str(tmp_path / "out" / "mask_of_picture"), str(model), str(PICTURE), "mask.png"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    with open_session(model) as session:
        expected = session(load_image(PICTURE)).masks[0]
    assert (np.asarray(Image.open(tmp_path / "mask.png")) == expected).all()


def test_the_installed_tool_runs(released: Built, tmp_path: Path) -> None:
    command = ["cmake", "--install", str(released.folder / "runtime"), "--prefix", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)

    done = subprocess.run(
        [str(tmp_path / "bin" / "segpp_run"), "--help"], capture_output=True, check=False
    )

    assert done.returncode == 0


def test_a_build_without_onnx_runtime_says_how_to_get_it(tmp_path: Path) -> None:
    require_tools()

    said = configure(tmp_path, *options(), "-DONNXRUNTIME_LIBRARY=NO")

    assert "ONNX Runtime was not found" in said
    assert "-DSEGPP_ONNXRUNTIME_ROOT=/path/to/onnxruntime" in said
    assert "microsoft/onnxruntime" in said


def test_the_folder_that_was_tried_is_repeated(tmp_path: Path) -> None:
    require_tools()

    said = configure(tmp_path, *options(), "-DSEGPP_ONNXRUNTIME_ROOT=/nope")

    assert "in SEGPP_ONNXRUNTIME_ROOT, which is '/nope'" in said


def test_a_build_that_runs_nothing_is_refused(tmp_path: Path) -> None:
    require_tools()

    said = configure(tmp_path, "-DSEGPP_ONNXRUNTIME=OFF")

    assert "Nothing would run a file" in said
