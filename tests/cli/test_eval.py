"""``segpp-eval`` as its users call it, on ONNX graphs written down as text."""

import csv
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

# The logits of class 0 are -x, those of class 1 +x, of the normalised red channel: class 1 where
# red is above ImageNet's mean of 124.
BRIGHT = """
<ir_version: 8, opset_import: ["": 18]>
g (float[1,3,8,8] image) => (float[1,2,8,8] logits)
  <float[2,3,1,1] w = {-1, 0, 0, 1, 0, 0}> { logits = Conv(image, w) }
"""
# The other way round.
DARK = BRIGHT.replace("{-1, 0, 0, 1, 0, 0}", "{1, 0, 0, -1, 0, 0}")
THREE_CLASSES = BRIGHT.replace("[1,2,8,8] logits", "[1,3,8,8] logits").replace(
    "float[2,3,1,1] w = {-1, 0, 0, 1, 0, 0}", "float[3,3,1,1] w = {-1, 0, 0, 1, 0, 0, 0, 0, 0}"
)


def write_model(path: Path, text: str) -> Path:
    onnx.save(onnx.parser.parse_model(text), path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two images of 8x8: a bright left half, labelled 1; of the second one row is ignored."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4] = 255
    for name, ignored_rows in (("a", 0), ("b", 1)):
        labels = (pixels[..., 0] > 0).astype(np.uint8)
        labels[:ignored_rows] = 255
        for kind, array in (("images", pixels), ("labels", labels)):
            folder = tmp_path / "data" / kind
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / f"{name}.png")
    return tmp_path / "data"


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    return [
        write_model(tmp_path / "bright.onnx", BRIGHT),
        write_model(tmp_path / "dark.onnx", DARK),
    ]


def test_two_models_are_scored_side_by_side(segpp: Command, data: Path, models: list[Path]) -> None:
    done = segpp("eval", *models, "--dataset", data, "--json")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["images"] == 2
    assert found["labelled_pixels"] == 64 + 56
    assert found["ignored"] == [255]
    bright, dark = found["models"]
    assert (bright["miou"], bright["pixel_accuracy"], bright["agreement"]) == (1.0, 1.0, 1.0)
    assert (dark["miou"], dark["pixel_accuracy"], dark["agreement"]) == (0.0, 0.0, 0.0)
    assert bright["iou"] == [1.0, 1.0]
    assert bright["images_per_second"] > 0


def test_the_table_names_models_and_classes(segpp: Command, data: Path, models: list[Path]) -> None:
    done = segpp(
        "eval", *models, "--images", data / "images", "--labels", data / "labels", "--limit", 1
    )

    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.stdout.startswith("1 images, 64 labelled pixels")
    assert lines[2] == ["model", "mIoU", "pixel", "accuracy", "agreement", "images/s"]
    assert lines[3][:4] == ["bright", "100.00", "100.00", "100.00"]
    assert lines[4][:4] == ["dark", "0.00", "0.00", "0.00"]
    assert lines[6] == ["class", "share", "of", "pixels", "IoU", "bright", "IoU", "dark"]
    assert lines[7] == ["0", "50.00", "100.00", "0.00"]


def test_the_csv_file_has_a_row_per_model(
    segpp: Command, data: Path, models: list[Path], tmp_path: Path
) -> None:
    done = segpp("eval", *models, "--dataset", data, "--csv", tmp_path / "scores.csv")

    assert done.returncode == 0, done.stderr
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["bright", "dark"]
    assert [row["iou 1"] for row in rows] == ["1.0", "0.0"]


def test_a_damaged_image_is_reported_and_the_rest_scored(
    segpp: Command, data: Path, models: list[Path]
) -> None:
    (data / "images" / "a.png").write_bytes(b"not an image")

    done = segpp("eval", models[0], "--dataset", data, "--json")

    assert done.returncode == 1
    assert "skipped: " in done.stderr
    assert "a.png is not an image" in done.stderr
    found = json.loads(done.stdout)
    assert found["images"] == 1
    assert found["models"][0]["miou"] == 1.0


def test_a_label_to_ignore_replaces_the_default(
    segpp: Command, data: Path, models: list[Path]
) -> None:
    done = segpp("eval", models[0], "--dataset", data, "--ignore", "7")

    assert done.returncode == 2
    assert "b.png holds the label 255, which is no class" in done.stderr
    assert "--ignore 7,255" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say where the data is"),
        (["--dataset", "D", "--images", "D"], "say where the data is"),
        (["--images", "D"], "say where the data is"),
        (["--dataset", "D", "--ignore", "void"], "--ignore 'void' is no list of labels"),
        (["--dataset", "D", "--limit", "0"], "--limit 0 leaves no image"),
        (["--dataset", "D", "--csv", "/nowhere/scores.csv"], "cannot write /nowhere/scores.csv"),
    ],
)
def test_wrong_arguments_are_refused(
    segpp: Command, data: Path, models: list[Path], arguments: list[str], says: str
) -> None:
    done = segpp("eval", models[0], *[str(data) if a == "D" else a for a in arguments])

    assert done.returncode == 2
    assert says in done.stderr


def test_models_with_other_classes_are_not_compared(
    segpp: Command, data: Path, models: list[Path], tmp_path: Path
) -> None:
    other = write_model(tmp_path / "three.onnx", THREE_CLASSES)

    done = segpp("eval", models[0], other, "--dataset", data)

    assert done.returncode == 2
    assert "three.onnx has 3 classes" in done.stderr
    assert "bright.onnx has 2" in done.stderr


def test_the_help_states_the_rules_of_the_scores(segpp: Command) -> None:
    done = segpp("eval", "--help")

    assert done.returncode == 0
    assert "the classes that occur in the labels or in the prediction" in done.stdout
    assert "resized bilinearly to the\nlabels' size before the argmax" in done.stdout


def test_models_of_one_name_are_told_apart_by_their_folders(
    segpp: Command, data: Path, models: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    twin = write_model(tmp_path / "other" / "bright.onnx", DARK)

    done = segpp("eval", models[0], twin, "--dataset", data, "--json")

    assert [m["model"] for m in json.loads(done.stdout)["models"]] == [str(models[0]), str(twin)]
