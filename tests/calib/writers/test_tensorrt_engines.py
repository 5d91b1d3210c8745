"""INT8 files compile in TensorRT-RTX, with every attention recognised that is in the float file.

By default B0 without merging in FP32, and with ``hq`` in FP16, both small, and five blocks with
settings of all kinds; ``-m slow`` adds one at 512x1024 and B2, ``-m exhaustive`` the rest.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from segpp.calib.writers.tensorrt import faults_for_tensorrt
from segpp.manifest import FileInfo, read_manifest, render_manifest
from segpp.runtime.build import BuildConfig, build_engine
from segpp.utils.files import manifest_path, sha256_of
from tests.calib.conftest import MakePictures, TinyFile
from tests.calib.plans import quantize
from tests.conftest import corners
from tests.export.reduction.every_setting import SETTINGS, flags
from tests.helpers.commands import in_process

pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
pytest.importorskip("torch", reason="needs the exporter (extra export)")
pytestmark = pytest.mark.rtx

Exported = Callable[[str, str, str], Path]

QUICK = [("none", "128x256", "fp32"), ("hq", "128x256", "fp16")]
SLOW = [
    ("none", "128x256", "fp16"),
    ("hq", "512x1024", "fp16"),
]
REST = [("hq", "128x256", "fp32"), ("none", "512x1024", "fp16")]


def compiles(path: Path, folder: Path, make_pictures: MakePictures) -> None:
    """Check the INT8 form of a float file: lint, and all attention recognised by the compiler."""
    made = quantize(path, "tensorrt", make_pictures(2))
    assert faults_for_tensorrt(made.int8) == []
    out = folder / "int8.onnx"
    out.write_bytes(made.int8.SerializeToString())
    onnx.checker.check_model(out, full_check=True)
    info = FileInfo(out.name, sha256_of(out), out.stat().st_size)
    manifest_path(out).write_text(render_manifest(replace(made.manifest, file=info)))

    report = build_engine(BuildConfig(out, folder / "int8.engine", "tensorrt-rtx", ("8.9",)))

    blocks = sum(made.manifest.architecture.depths)
    assert (report.attention_found, report.attention_expected) == (blocks, blocks)


@pytest.mark.parametrize(
    "case",
    [
        *QUICK,
        *(pytest.param(case, marks=pytest.mark.slow) for case in SLOW),
        *(pytest.param(case, marks=pytest.mark.exhaustive) for case in REST),
    ],
    ids="-".join,
)
def test_b0_compiles_with_all_its_attention(
    exported: Exported, tmp_path: Path, make_pictures: MakePictures, case: tuple[str, str, str]
) -> None:
    compiles(exported(*case), tmp_path, make_pictures)


@pytest.mark.parametrize(
    "name",
    corners(SETTINGS, "together".__eq__),
)
def test_every_setting_compiles_with_all_its_attention(
    tiny_file: TinyFile, tmp_path: Path, make_pictures: MakePictures, name: str
) -> None:
    compiles(tiny_file("conv-bn", 3, *flags(name)), tmp_path, make_pictures)


@pytest.mark.slow
@pytest.mark.parametrize("precision", corners(("fp32", "fp16"), "fp16".__eq__))
@pytest.mark.parametrize("preset", corners(("none", "hq"), "hq".__eq__))
def test_b2_compiles_with_all_its_attention(
    tmp_path: Path, make_pictures: MakePictures, preset: str, precision: str
) -> None:
    import torch  # noqa: PLC0415

    from segpp.export.models.segformer.architecture import segformer  # noqa: PLC0415
    from tests.helpers.checkpoints import lively, theirs  # noqa: PLC0415

    b2 = vars(segformer("b2", classes=19))
    torch.save(lively(theirs(**b2)), tmp_path / "b2.pth")
    path = tmp_path / "b2.onnx"
    options = ("--preset", preset, "--precision", precision, "--size", "128x256", "--no-check")
    done = in_process("export", tmp_path / "b2.pth", path, *options)
    assert done.returncode == 0, done.stderr
    assert read_manifest(path).architecture.depths == b2["depths"]

    compiles(path, tmp_path, make_pictures)
