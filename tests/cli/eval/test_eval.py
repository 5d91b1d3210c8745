"""``segpp-eval`` as its users call it, on ONNX graphs written down as text."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.manifest import Architecture, Classes, InputSpec, OutputSpec, render_manifest
from segpp.runtime.inference.open_session import open_session
from segpp.utils.files import manifest_path
from tests.cli.eval.conftest import BRIGHT, DARK, THREE_CLASSES, write_model
from tests.helpers.reports.html_reader import read
from tests.helpers.tiny_networks import manifest_of

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_two_models_are_scored_side_by_side(segpp: Command, data: Path, models: list[Path]) -> None:
    done = segpp("eval", *models, "--dataset", data, "--json")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["images"] == 2
    assert found["labelled_pixels"] == 64 + 56
    assert found["ignored_pixels"] == 8
    assert found["ignored"] == [255]
    bright, dark = found["models"]
    assert (bright["miou"], bright["pixel_accuracy"], bright["agreement"]) == (1.0, 1.0, 1.0)
    assert (dark["miou"], dark["pixel_accuracy"], dark["agreement"]) == (0.0, 0.0, 0.0)
    assert bright["iou"] == [1.0, 1.0]
    assert bright["images_per_second"] > 0


def test_one_channel_is_scored_as_two_classes(segpp: Command, data: Path, tmp_path: Path) -> None:
    # The logit is the normalised red channel.
    one = BRIGHT.replace("[1,2,8,8] logits", "[1,1,8,8] logits").replace(
        "float[2,3,1,1] w = {-1, 0, 0, 1, 0, 0}", "float[1,3,1,1] w = {1, 0, 0}"
    )

    done = segpp("eval", write_model(tmp_path / "one.onnx", one), "--dataset", data, "--json")

    found = json.loads(done.stdout)
    assert found["classes"] == ["background", "foreground"]
    assert found["models"][0]["iou"] == [1.0, 1.0]
    assert any("class 1 where it is above 0" in note for note in found["notes"])


@pytest.mark.parametrize("channels", [1, 4])
def test_networks_of_other_channels_than_three_are_run_and_scored(
    segpp: Command, data: Path, tmp_path: Path, channels: int
) -> None:
    # One channel, 0 to 255, is the logit when 124 is taken off it; the last of four is.
    weights = ", ".join(["0"] * (channels - 1) + ["1"])
    text = BRIGHT.replace("float[1,3,8,8] image", f"float[1,{channels},8,8] image")
    text = text.replace("[1,2,8,8] logits", "[1,1,8,8] logits").replace(
        "float[2,3,1,1] w = {-1, 0, 0, 1, 0, 0}", f"float[1,{channels},1,1] w = {{{weights}}}"
    )
    model = write_model(tmp_path / "x.onnx", text)
    manifest = replace(
        manifest_of(model, "logits", 1),
        architecture=Architecture("x", (), (), (), "none", 0, 1, channels),
        classes=Classes(("off", "on"), ((0, 0, 0), (9, 9, 9))),
        input=InputSpec(
            "image", (1, channels, 8, 8), "float32", "NCHW", "RGB",
            (124.0,) * channels, (60.0,) * channels,
        ),
        outputs=(OutputSpec("logits", "logits", (1, 1, 8, 8), "float32"),),
    )  # fmt: skip
    manifest_path(model).write_text(render_manifest(manifest))
    if channels == 4:
        for path in (data / "images").iterdir():
            colors = np.asarray(Image.open(path))
            dark = np.zeros_like(colors)
            np.save(path.with_suffix(".npy"), np.dstack([dark, colors[..., :1]]))
            path.unlink()

    scored = segpp("eval", model, "--dataset", data, "--json")
    ran = segpp("run", model, data / "images", "--out", tmp_path / "out", "--save", "both")

    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["models"][0]["iou"] == [1.0, 1.0]
    assert ran.returncode == 0, ran.stderr
    for done in (scored, ran):
        assert ("takes grey images" in done.stderr) is (channels == 1)
    mask = np.asarray(Image.open(tmp_path / "out" / "a.mask.png"))
    assert (mask == np.asarray(Image.open(data / "labels" / "a.png"))).all()


def test_labels_in_colour_of_half_the_size_are_read_by_a_palette(
    segpp: Command, data: Path, models: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "palette.txt").write_text("10 20 30\n200 100 0\n")
    for path in (data / "labels").iterdir():
        labels = np.asarray(Image.open(path))[::2, ::2]
        colors = np.array([[10, 20, 30], [200, 100, 0], [0, 0, 0]], np.uint8)
        Image.fromarray(colors[np.minimum(labels, 2)]).save(path)

    done = segpp(
        "eval", models[0], "--dataset", data, "--json", "--palette", tmp_path / "palette.txt"
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["models"][0]["iou"] == [1.0, 1.0]
    assert (found["labelled_pixels"], found["ignored_pixels"]) == (16 + 12, 4)


@pytest.mark.parametrize(
    ("flags", "miou"),
    [((), 1.0), (("--no-reduce-zero-label",), None), (("--reduce-zero-label",), 1.0)],
)
def test_a_model_trained_on_reduced_labels_reduces_them(
    segpp: Command, data: Path, models: list[Path], flags: tuple[str, ...], miou: float | None
) -> None:
    with open_session(models[0]) as session:
        manifest = session.manifest
    reducing = replace(manifest, classes=replace(manifest.classes, reduce_labels=True))
    manifest_path(models[0]).write_text(render_manifest(reducing))
    for path in (data / "labels").iterdir():
        labels = np.asarray(Image.open(path))
        # Class k is label k + 1, and what was ignored is 0.
        Image.fromarray(np.where(labels == 255, 0, labels + 1).astype(np.uint8)).save(path)

    done = segpp("eval", models[0], "--dataset", data, "--json", *flags)

    if miou is None:
        assert done.returncode == 2
        assert "holds the label 2, which is no class" in done.stderr
        return
    found = json.loads(done.stdout)
    assert found["models"][0]["miou"] == miou
    assert found["ignored_pixels"] == 8
    # Said where nobody asked for it.
    assert ("label k stands for class k - 1" in done.stderr) is (not flags)


def test_labels_from_one_on_are_moved_by_an_offset(
    segpp: Command, data: Path, models: list[Path]
) -> None:
    for path in (data / "labels").iterdir():
        labels = np.asarray(Image.open(path))
        Image.fromarray(np.where(labels == 255, 255, labels + 1).astype(np.uint8)).save(path)

    refused = segpp("eval", models[0], "--dataset", data)
    done = segpp("eval", models[0], "--dataset", data, "--json", "--label-offset", "-1")

    assert refused.returncode == 2
    assert "the labels seem to start at 1" in refused.stderr
    assert "--label-offset -1" in refused.stderr
    assert json.loads(done.stdout)["models"][0]["miou"] == 1.0


def test_labels_of_0_and_255_alone_are_those_of_0_and_1_and_it_is_told(
    segpp: Command, data: Path, models: list[Path]
) -> None:
    ones = {path: np.asarray(Image.open(path)) > 0 for path in (data / "labels").iterdir()}
    scores = []
    for white in (1, 255):
        for path, one in ones.items():
            Image.fromarray(np.where(one, white, 0).astype(np.uint8)).save(path)
        done = segpp("eval", models[0], "--dataset", data, "--json")
        scores.append(json.loads(done.stdout)["models"][0]["iou"])
        assert "only class" not in done.stderr

    assert scores[0] == scores[1]
    assert "255 is taken for class 1, '1'; --ignore 255 takes it for no class" in done.stderr

    done = segpp("eval", models[0], "--dataset", data, "--ignore", "255")

    # Half of either picture, and half of one row.
    assert "only class '0' is labelled, and 53% of the pixels are ignored (255: 68)" in done.stderr


def test_the_table_names_models_and_classes(segpp: Command, data: Path, models: list[Path]) -> None:
    done = segpp(
        "eval", *models, "--images", data / "images", "--labels", data / "labels", "--limit", 1
    )

    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.stdout.startswith("1 image, 64 labelled pixels, 0 ignored (0.0%)")
    assert lines[2] == ["model", "mIoU", "pixel", "accuracy", "agreement", "images/s", "fit"]
    assert lines[3][:4] == ["bright", "100.00", "100.00", "100.00"]
    assert lines[3][-1] == "stretch"
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
        (["--dataset", "D", "--images", "D"], "say where the data is: --dataset stands for both"),
        (["--images", "D"], "say where the data is: --labels is missing"),
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


def test_the_scores_as_pictures_and_as_a_page(
    segpp: Command, data: Path, models: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib (segpp[plot]) draws")
    flags = [("--confusion", "taken.png"), ("--plot", "iou.png"), ("--html", "page.html")]

    done = segpp(
        "eval",
        *(*models, "--dataset", data),
        *(part for flag, name in flags for part in (flag, tmp_path / name)),
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-3:] == [f"wrote {tmp_path / name}" for _, name in flags]
    for name in ("taken.png", "iou.png"):
        with Image.open(tmp_path / name) as image:
            assert image.format == "PNG"
    found = read((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "Evaluation of bright, dark" in found.text
    assert found.text.count("bright 100.00 %, dark 0.00 %") == 2
    # Of each image: input, labels, and of each model the prediction and its errors.
    assert sum(element == "img" for element, _ in found.elements) == 2 * 6


@pytest.mark.parametrize("flag", ["--confusion", "--plot"])
def test_without_matplotlib_a_picture_is_refused_before_anything_runs(
    *,
    segpp: Command,
    data: Path,
    models: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flag: str,
) -> None:
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)

    done = segpp("eval", models[0], "--dataset", data, flag, tmp_path / "a.png")

    assert done.returncode == 3
    assert "pip install 'segpp[plot]'" in done.stderr
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("flag", ["--confusion", "--plot", "--html"])
def test_a_picture_that_cannot_be_written_is_refused_before_anything_runs(
    segpp: Command, data: Path, models: list[Path], flag: str
) -> None:
    done = segpp("eval", models[0], "--dataset", data, flag, "/nowhere/a.png")

    assert done.returncode == 2
    assert "cannot write /nowhere/a.png" in done.stderr


@pytest.mark.parametrize("other", ["--csv", "--confusion", "--plot"])
def test_two_outputs_of_one_name_are_refused_before_anything_runs(
    segpp: Command, data: Path, models: list[Path], tmp_path: Path, other: str
) -> None:
    same = tmp_path / "same.png"

    done = segpp("eval", models[0], "--dataset", data, "--html", same, other, same)

    assert done.returncode == 2
    assert "are one file, and both would be written" in done.stderr
    assert not same.exists()


@pytest.mark.parametrize("flag", ["--csv", "--confusion", "--plot", "--html"])
@pytest.mark.parametrize("kind", ["images", "labels", "manifest"])
def test_no_output_replaces_what_is_read_forced_or_not(
    *, segpp: Command, data: Path, models: list[Path], flag: str, kind: str
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib (segpp[plot]) draws")
    read = Path(f"{models[0]}.json") if kind == "manifest" else data / kind / "a.png"
    if kind == "manifest":
        read.write_text("{}")
    before = read.read_bytes()

    done = segpp("eval", models[0], "--dataset", data, flag, read, "--force")

    assert done.returncode == 2
    assert "is the input itself" in done.stderr
    assert read.read_bytes() == before


@pytest.mark.parametrize("flag", ["--confusion", "--plot", "--html"])
def test_a_foreign_file_is_replaced_if_forced(
    segpp: Command, data: Path, models: list[Path], tmp_path: Path, flag: str
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib (segpp[plot]) draws")
    foreign = tmp_path / "foreign.png"
    foreign.write_text("mine")

    refused = segpp("eval", models[0], "--dataset", data, flag, foreign)
    forced = segpp("eval", models[0], "--dataset", data, flag, foreign, "--force")

    assert (refused.returncode, forced.returncode) == (2, 0), forced.stderr
    assert foreign.read_bytes() != b"mine"


def test_what_is_said_of_a_skipped_picture_names_flags(
    segpp: Command, data: Path, models: list[Path]
) -> None:
    np.save(data / "images" / "z.npy", np.zeros((8, 8, 5), np.uint8))
    Image.new("L", (8, 8)).save(data / "labels" / "z.png")

    done = segpp("eval", models[0], "--dataset", data)

    assert done.returncode == 1
    assert "has 5 channels" in done.stderr
    assert "--bands 3,2,1" in done.stderr
