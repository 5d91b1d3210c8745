"""``segpp-eval``: how pictures fill the network, and what of that is scored."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """One image of 8x16, bright and labelled 1 in its first three columns, else 0."""
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :3] = 255
    for kind, array in (("images", pixels), ("labels", (pixels[..., 0] > 0).astype(np.uint8))):
        folder = tmp_path / "wide" / kind
        folder.mkdir(parents=True)
        Image.fromarray(array).save(folder / "a.png")
    return tmp_path / "wide"


def scored(segpp: Command, *arguments: object) -> tuple[dict[str, object], str]:
    done = segpp("eval", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_padding_counts_for_nothing(segpp: Command, models: list[Path], wide: Path) -> None:
    found, said = scored(segpp, models[0], "--dataset", wide, "--fit", "letterbox")

    [bright] = found["models"]
    assert bright["fit"] == "letterbox"
    assert found["labelled_pixels"] == 8 * 16
    # The third column is one half of a pixel of the network.
    assert bright["pixel_accuracy"] >= 15 / 16
    assert "50% of the network's pixels are padding" in said


def test_what_a_crop_does_not_see_is_not_counted(
    segpp: Command, models: list[Path], wide: Path
) -> None:
    found, said = scored(segpp, models[0], "--dataset", wide, "--fit", "crop")

    [bright] = found["models"]
    # The middle half is dark and labelled so.
    assert (bright["fit"], bright["unseen_pixels"]) == ("crop", 8 * 8)
    assert found["labelled_pixels"] == 8 * 8
    assert bright["pixel_accuracy"] == 1.0
    assert "50% of the picture is cut off" in said
    done = segpp("eval", models[0], "--dataset", wide, "--fit", "crop")
    assert "did not see 64 labelled pixels outside of its crop" in done.stdout


@pytest.mark.parametrize("how", [["--tile"], ["--protocol", "slide"]], ids=" ".join)
def test_tiles_see_every_pixel_at_its_own_resolution(
    segpp: Command, models: list[Path], wide: Path, how: list[str]
) -> None:
    found, said = scored(segpp, models[0], "--dataset", wide, *how)

    [bright] = found["models"]
    assert bright["fit"] == ("tiles 0.25" if how == ["--tile"] else "tiles 0.33")
    assert bright["pixel_accuracy"] == 1.0
    assert "padding" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fit", "streched"], "did you mean 'stretch'"),
        (["--overlap", "0.5"], "an overlap goes with tiles"),
        (["--tile", "--fit", "crop"], "tiles are not fitted"),
        (["--tile", "--overlap", "1"], "allowed: 0 to 0.9 of a tile"),
        (["--protocol", "sliding"], "unknown protocol 'sliding'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_fits_that_contradict_each_other_are_refused(
    segpp: Command, models: list[Path], wide: Path, arguments: list[str], says: str
) -> None:
    done = segpp("eval", models[0], "--dataset", wide, *arguments)

    assert done.returncode == 2
    assert says in done.stderr
