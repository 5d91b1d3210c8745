"""Networks of every form become INT8 files that are judged, or are refused before any run."""

from pathlib import Path

import onnx
import pytest

import segpp
from segpp.errors import InputError
from segpp.manifest import read_manifest
from segpp.utils.files import manifest_path
from tests.calib.conftest import MakePictures, TinyFile

pytest.importorskip("torch", reason="needs the exporter (extra export)")

PICTURES = 10
FP16 = ("conv-bn", 3, "--preset", "hq", "--precision", "fp16")
LABELS = ("conv-bn", 1, "--preset", "hq", "--batch", "2", "--input-dtype", "uint8",
          "--outputs", "labels")  # fmt: skip
GRIDS = ("conv-bn", 3, "--reduce", "2.grid=area:every=2", "--reduce", "4.grid=area:share=0.75",
         "--reduce", "2.q=bsm", "--reduce", "head.grid=area")  # fmt: skip
FORMS = [
    ("tensorrt", FP16),
    ("onnxruntime", LABELS),
    ("openvino", ("linear", 4, "--preset", "hq")),
    ("tensorrt", GRIDS),
]


@pytest.mark.parametrize(("target", "form"), FORMS, ids=["fp16", "labels", "hq", "grids"])
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
