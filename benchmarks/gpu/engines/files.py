"""B0 with random weights as files for engines: pixels in, labels out."""

from pathlib import Path

import segpp
from benchmarks.gpu.network.networks import hugging_face

__all__ = ["checkpoint", "export"]


def checkpoint(folder: Path) -> Path:
    """Write B0 as transformers saves it, and return its folder."""
    model = hugging_face("b0")
    model.save_pretrained(folder / "b0")  # type: ignore[operator]  # nn.Module hides it
    return folder / "b0"


def export(weights: Path, preset: str, precision: str, size: tuple[int, int]) -> Path:
    """Write one file beside the weights, compared with PyTorch as every export is."""
    out = weights.parent / f"{preset}-{precision}.onnx"
    segpp.export_onnx(
        weights,
        out,
        preset=preset,
        precision=precision,
        size=size,
        made_for="engine",
        # Random weights label many pixels near ties, which FP16 turns.
        check=precision == "fp32",
        fit="stretch",
    )
    return out
