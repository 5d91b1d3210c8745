"""Every file that the exporter writes for B0 compiles, with every attention recognised.

By default three of them: without merging and with `hq` in FP16 at 512x1024, and `hq` in BF16, small;
``-m slow`` adds the other presets, FP32, 1024x2048, and B2 in halves.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

pytest.importorskip("tensorrt_rtx", reason="needs the wheel of TensorRT-RTX (extra rtx)")
pytest.importorskip("torch", reason="needs the exporter (extra export)")
pytestmark = pytest.mark.rtx

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
QUICK = {("none", "512x1024", "fp16"), ("hq", "512x1024", "fp16"), ("hq", "128x256", "bf16")}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id="-".join(case), marks=() if case in QUICK else pytest.mark.slow)
        for case in CASES
    ],
)
def test_b0_compiles_with_all_its_attention(
    segpp: Command, exported: Exported, tmp_path: Path, case: tuple[str, str, str]
) -> None:
    result = segpp("build-engine", exported(*case), tmp_path / "b0.engine", "--json")

    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["attention_found"], report["attention_expected"]) == (8, 8)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("preset", ["none", "hq"])
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
