"""Networks of every form become INT8 files that are judged, or are refused before any run."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import segpp
from segpp.errors import InputError
from segpp.manifest import read_manifest
from segpp.utils.files import manifest_path
from tests.calib.conftest import MakePictures, TinyFile
from tests.conftest import corners
from tests.export.reduction.every_setting import SETTINGS, flags
from tests.helpers.commands import in_process

pytest.importorskip("torch", reason="needs the exporter (extra export)")

PICTURES = 10
FP16 = ("conv-bn", 3, "--preset", "hq", "--precision", "fp16")
LABELS = ("conv-bn", 1, "--preset", "hq", "--batch", "2", "--input-dtype", "uint8",
          "--outputs", "labels")  # fmt: skip
FORMS = [
    ("tensorrt", FP16),
    ("onnxruntime", LABELS),
    ("openvino", ("linear", 4, "--preset", "hq")),
]


@pytest.mark.parametrize(("target", "form"), FORMS, ids=["fp16", "labels", "hq"])
def test_a_file_is_written_and_judged(
    tiny_file: TinyFile,
    make_pictures: MakePictures,
    tmp_path: Path,
    target: str,
    form: tuple[str, int, str],
) -> None:
    source, out = tiny_file(*form), tmp_path / "int8.onnx"
    pictures = make_pictures(PICTURES, channels=form[1])

    # Random weights: what is lost is not the point, and every block may go.
    result = segpp.calibrate(
        source, [one.path for one in pictures], out, target=target, ranges=tmp_path / "a.json",
        max_drop=100, min_agreement=0, only_what_pays=False,
    )  # fmt: skip

    manifest = read_manifest(out)
    assert manifest.precision == "int8"
    assert manifest.outputs == read_manifest(source).outputs
    assert manifest.calibration is not None
    told = manifest.calibration
    together = [*told.images, *told.selected_on, *told.reported_on]
    assert sorted(together) == sorted(one.sha256 for one in pictures)
    divergences = [block.divergence for block in result.blocks if block.int8]
    assert all(one is not None and one >= 0 for one in divergences)
    assert any(divergences)
    kinds = {tensor.data_type for tensor in onnx.load(out).graph.initializer}
    assert onnx.TensorProto.INT8 in kinds


@pytest.mark.parametrize("name", corners(SETTINGS, {"together", "dynamic"}.__contains__))
def test_a_file_of_every_setting_is_calibrated_inspected_and_scored(
    tiny_file: TinyFile, make_pictures: MakePictures, tmp_path: Path, name: str
) -> None:
    source, out = tiny_file("conv-bn", 3, *flags(name)), tmp_path / "int8.onnx"
    pictures = [one.path for one in make_pictures(PICTURES)]

    segpp.calibrate(
        source, pictures, out, ranges=tmp_path / "a.json",
        max_drop=100, min_agreement=0, only_what_pays=False,
    )  # fmt: skip

    before, after = read_manifest(source), read_manifest(out)
    assert (after.precision, after.reduction, after.channels) == (
        "int8",
        before.reduction,
        before.channels,
    )
    inspected = in_process("inspect", out)
    assert inspected.returncode == 0, inspected.stderr
    images, labels = masks_of(source, pictures, tmp_path)
    scored = in_process("eval", source, out, "--images", images, "--labels", labels, "--json")
    assert scored.returncode == 0, scored.stderr
    of_float, of_int8 = json.loads(scored.stdout)["models"]
    # Those of the float file are the truth here: it has all of them right.
    assert of_float["pixel_accuracy"] == 1.0
    assert of_int8["pixel_accuracy"] > 0.5


def masks_of(file: Path, pictures: list[Path], folder: Path) -> tuple[Path, Path]:
    """Write what a file labels pictures as; return the folders of both."""
    labels = folder / "labels"
    labels.mkdir()
    with segpp.load(file) as session:
        for picture in pictures:
            mask = session(segpp.load_image(picture)).masks[0]
            Image.fromarray(mask.astype(np.uint8)).save(labels / f"{picture.stem}.png")
    return pictures[0].parent, labels


@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
def test_half_precision_is_refused_where_the_engine_has_no_use_for_it(
    tiny_file: TinyFile, make_pictures: MakePictures, tmp_path: Path, target: str
) -> None:
    out = tmp_path / "int8.onnx"
    paths = [one.path for one in make_pictures(PICTURES)]

    with pytest.raises(InputError, match=r"are not made from fp16 files\n.*--precision fp32"):
        segpp.calibrate(tiny_file(*FP16), paths, out, target=target, ranges=tmp_path / "a.json")

    assert not out.exists()
    assert not manifest_path(out).exists()
    assert not (tmp_path / "a.json").exists()
