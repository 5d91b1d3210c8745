"""Every file that the exporter writes compiles, with every attention recognised, and says so.

By default B0 without merging and with `hq` in FP16 at 512x1024, and small in BF16, in INT8 and with
settings of all kinds together; ``-m slow`` adds the other presets, every setting, and of FP32,
INT8, 1024x2048 and B2 what differs from these; ``-m exhaustive`` the rest of the matrix, and B5.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from segpp.manifest import FileInfo, read_manifest, render_manifest
from segpp.ops import DOMAIN
from segpp.utils.files import manifest_path, sha256_of
from tests.calib.conftest import MakePictures, make_pictures
from tests.calib.plans import quantize
from tests.conftest import corners
from tests.export.reduction.every_setting import SETTINGS, flags

pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
pytest.importorskip("torch", reason="needs the exporter (extra export)")
pytestmark = pytest.mark.rtx

# A fixture of the calibration's tests.
__all__ = ["make_pictures"]

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Exported = Callable[[str, str, str], Path]

MODELS = [
    *((reduction, "512x1024") for reduction in ("none", "hq", "fast", "2x2", "0.5")),
    *((reduction, "1024x2048") for reduction in ("hq", "fast")),
]
CASES = [
    *((*model, precision) for model in MODELS for precision in ("fp32", "fp16")),
    ("hq", "128x256", "bf16"),
    *((reduction, "512x1024", "bf16") for reduction in ("none", "hq")),
]
QUICK = {("hq", "512x1024", "fp16"), ("hq", "128x256", "bf16")}
SLOW = {
    ("none", "512x1024", "fp16"),
    *((reduction, "512x1024", "fp16") for reduction in ("fast", "2x2")),
    ("hq", "512x1024", "bf16"),
    ("fast", "1024x2048", "fp16"),
}
EXHAUSTIVE = (pytest.mark.slow, pytest.mark.exhaustive)


def marks(*, quick: bool, slow: bool = True) -> tuple[pytest.MarkDecorator, ...]:
    """Return which tier a case belongs to."""
    return () if quick else (pytest.mark.slow,) if slow else EXHAUSTIVE


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id="-".join(case), marks=marks(quick=case in QUICK, slow=case in SLOW))
        for case in CASES
    ],
)
def test_b0_compiles_with_all_its_attention(
    segpp: Command, exported: Exported, tmp_path: Path, case: tuple[str, str, str]
) -> None:
    check_build(segpp, exported(*case), tmp_path / "b0.engine")


def check_build(segpp: Command, source: Path, target: Path) -> dict[str, Any]:
    """Build an engine by the command, and hold its report and its manifest to the file."""
    result = segpp("build-engine", source, target, "--json")

    assert result.returncode == 0, result.stderr
    assert "warning:" not in result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    manifest, model = read_manifest(target), onnx.load(source)
    blocks = sum(manifest.architecture.depths)
    own = Counter(node.op_type for node in model.graph.node if node.domain == DOMAIN)
    halves = manifest.precision in {"fp16", "bf16"} or _has_halves(model)
    assert (report["attention_found"], report["attention_expected"]) == (blocks, blocks)
    assert report["attention_fused"] == (blocks if halves else 0)
    assert (report["plugins"], report["functions"]) == ({}, dict(own))
    assert report["typing"] == "strong"
    assert report["layers"] > report["function_layers"] >= 10 * sum(own.values())
    assert report["engine_bytes"] == target.stat().st_size > report["weight_bytes"] > 0
    assert report["activation_bytes"] > 0
    assert (report["warnings"], report["problems"]) == ([], [])
    engine = manifest.engine
    assert engine is not None
    assert (engine.layers, engine.activation_bytes) == (
        report["layers"],
        report["activation_bytes"],
    )
    assert (engine.attention_found, engine.attention_fused) == (blocks, report["attention_fused"])
    assert engine.functions == dict(own)
    return report


def _has_halves(model: onnx.ModelProto) -> bool:
    """Return whether an INT8 file has FP16 beside: its attention is never INT8."""
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    return onnx.TensorProto.FLOAT16 in kinds


INT8 = [
    (reduction, "128x256", precision)
    for reduction in ("none", "hq", "fast", "2x2", "0.5")
    for precision in ("fp32", "fp16")
]
INT8_SLOW = {("none", "fp16"), ("fast", "fp16"), ("hq", "fp32")}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id="-".join(case),
            marks=marks(quick=case[::2] == ("hq", "fp16"), slow=case[::2] in INT8_SLOW),
        )
        for case in INT8
    ],
)
def test_b0_in_int8_compiles_with_all_its_attention(
    *,
    segpp: Command,
    exported: Exported,
    tmp_path: Path,
    make_pictures: MakePictures,
    case: tuple[str, str, str],
) -> None:
    made = quantize(exported(*case), "tensorrt", make_pictures(2))
    source = tmp_path / "int8.onnx"
    source.write_bytes(made.int8.SerializeToString())
    info = FileInfo(source.name, sha256_of(source), source.stat().st_size)
    manifest_path(source).write_text(render_manifest(replace(made.manifest, file=info)))

    check_build(segpp, source, tmp_path / "int8.engine")


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param(
            name,
            precision,
            marks=marks(
                quick=(name, precision) == ("together", "fp16"),
                slow=(name, precision) in {("options", "fp16"), ("dynamic", "fp16")},
            ),
        )
        for name in SETTINGS
        for precision in ("fp32", "fp16")
        # What is FP32 in a half file is compiled in either.
        if precision == "fp16" or name in {"together", "similar"}
    ],
)
def test_b0_of_every_setting_compiles_with_all_its_attention(
    segpp: Command, b0_checkpoint: Path, tmp_path: Path, name: str, precision: str
) -> None:
    path = tmp_path / "b0.onnx"
    # No cell divides the grids of this size.
    options = ("--precision", precision, "--size", "132x196", "--no-check")
    done = segpp("export", b0_checkpoint, path, *options, *flags(name))
    assert done.returncode == 0, done.stderr

    check_build(segpp, path, tmp_path / "b0.engine")


@pytest.mark.slow
@pytest.mark.exhaustive
def test_b5_with_hq_in_fp16_compiles_at_the_size_of_cityscapes(
    segpp: Command, tmp_path: Path
) -> None:
    import torch  # noqa: PLC0415

    from segpp.export.models.segformer.architecture import segformer  # noqa: PLC0415
    from tests.helpers.checkpoints import lively, theirs  # noqa: PLC0415

    b5 = vars(segformer("b5", classes=19))
    torch.save(lively(theirs(**b5)), tmp_path / "b5.pth")
    path = tmp_path / "b5.onnx"
    options = ("--preset", "hq", "--precision", "fp16", "--size", "1024x2048", "--no-check")
    done = segpp("export", tmp_path / "b5.pth", path, *options)
    assert done.returncode == 0, done.stderr

    report = check_build(segpp, path, tmp_path / "b5.engine")

    assert report["attention_found"] == 52
    # Unfused, the scores of stage 1 alone take more: 131,072 tokens with 2,048 keys, in halves.
    assert report["activation_bytes"] < 131_072 * 2048 * 2


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("preset", corners(("none", "hq"), "hq".__eq__))
def test_b2_in_halves_passes_the_lint_and_compiles_with_all_its_attention(
    segpp: Command, tmp_path: Path, preset: str, precision: str
) -> None:
    import torch  # noqa: PLC0415

    from segpp.export.models.segformer.architecture import segformer  # noqa: PLC0415
    from segpp.export.onnx_graph.lint import lint  # noqa: PLC0415
    from tests.helpers.checkpoints import lively, theirs  # noqa: PLC0415

    b2 = vars(segformer("b2", classes=19))
    torch.save(lively(theirs(**b2)), tmp_path / "b2.pth")
    path = tmp_path / "b2.onnx"
    options = ("--preset", preset, "--precision", precision, "--size", "128x256", "--no-check")
    done = segpp("export", tmp_path / "b2.pth", path, *options)
    assert done.returncode == 0, done.stderr

    result = segpp("build-engine", path, tmp_path / "b2.engine", "--json")

    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    blocks = sum(b2["depths"])
    assert (report["attention_found"], report["attention_expected"]) == (blocks, blocks)
    assert lint(onnx.load(path)) == []


@pytest.mark.slow
def test_half_precision_attention_is_fused_and_not_only_recognised(
    segpp: Command, exported: Exported, tmp_path: Path
) -> None:
    """Unfused, the scores of stage 1 alone take 131072 × 2048 × 2 bytes = 537 MB."""
    file = exported("none", "1024x2048", "fp16")

    result = segpp("build-engine", file, tmp_path / "b0.engine", "--json")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["activation_bytes"] < 131_072 * 2048 * 2
