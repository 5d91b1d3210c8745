"""Models to compile: exported by the command, as a user does it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# B0 is transformers' default. What compiles does not depend on the weights, so random ones do.
_MAKE_CHECKPOINT = """
import sys, torch
from transformers import SegformerConfig, SegformerForSemanticSegmentation
torch.manual_seed(0)
SegformerForSemanticSegmentation(SegformerConfig(num_labels=19)).save_pretrained(sys.argv[1])
"""

Exported = Callable[[str, str, str], Path]


@pytest.fixture(scope="session")
def b0_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder of a B0 with random weights."""
    pytest.importorskip("transformers", reason="transformers makes the checkpoint")
    folder = tmp_path_factory.mktemp("checkpoint") / "b0"
    _run([sys.executable, "-c", _MAKE_CHECKPOINT, str(folder)])
    return folder


@pytest.fixture(scope="session")
def exported(b0_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Export B0 with a preset or a ratio, at a size, in a precision; each once per session."""
    folder = tmp_path_factory.mktemp("exported")

    def export(reduction: str, size: str, precision: str) -> Path:
        path = folder / f"b0-{reduction}-{size}-{precision}.onnx"
        if not path.exists():
            flag = "--ratio" if reduction.startswith("0.") else "--preset"
            _run([
                *(sys.executable, "-m", "segpp", "export", str(b0_checkpoint), str(path)),
                *(flag, reduction, "--size", size, "--precision", precision, "--no-check"),
            ])  # fmt: skip
        return path

    return export


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if result.returncode:
        pytest.fail(f"{command} ended with {result.returncode}:\n{result.stderr[-2000:]}")
