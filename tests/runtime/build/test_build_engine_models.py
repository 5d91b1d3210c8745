"""Every file that the exporter writes for B0 compiles, with every attention recognised.

By default two of them, without merging and with `hq`, in FP16 at 512x1024; ``-m slow`` adds the
other presets, FP32 and 1024x2048.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

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
CASES = [(*model, precision) for model in MODELS for precision in ("fp32", "fp16")]
QUICK = {("none", "512x1024", "fp16"), ("hq", "512x1024", "fp16")}


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
def test_half_precision_attention_is_fused_and_not_only_recognised(
    segpp: Command, exported: Exported, tmp_path: Path
) -> None:
    """Unfused, the scores of stage 1 alone take 131072 × 2048 × 2 bytes = 537 MB."""
    onnx = exported("none", "1024x2048", "fp16")

    result = segpp("build-engine", onnx, tmp_path / "b0.engine", "--json")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["activation_bytes"] < 131_072 * 2048 * 2
