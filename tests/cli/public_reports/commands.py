"""What a user types, one step after the other: a checkpoint to ONNX, a picture to a mask."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from segpp.manifest import Manifest, read_manifest
from tests.helpers.commands import in_process

__all__ = ["Exported", "agreement", "export", "mask", "refusal", "saved", "scores"]

Labels = NDArray[np.uint8]

# Logits of two single-precision computations differ in their last digits: a pixel on an edge of
# two classes may be either's.
SAME = 0.999


@dataclass(frozen=True)
class Exported:
    """A file of ``segpp-export``, what it was made of, its manifest, and all that was said."""

    file: Path
    manifest: Manifest
    said: str
    checkpoint: Path


def saved(content: object, path: Path) -> Path:
    """Write a checkpoint as ``torch.save`` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def export(checkpoint: Path, *flags: object, out: Path | None = None) -> Exported:
    """Export a checkpoint, for 64x64 pixels unless a flag or the checkpoint says another size."""
    out = out or checkpoint.with_name(f"{checkpoint.name}.onnx")
    done = in_process("export", checkpoint, out, *flags)
    assert done.returncode == 0, done.stderr
    return Exported(out, read_manifest(out), done.stdout + done.stderr, checkpoint)


def refusal(checkpoint: Path, *flags: object, code: int = 2) -> str:
    """Return why a checkpoint is not exported."""
    out = checkpoint.with_name(f"{checkpoint.name}.onnx")
    done = in_process("export", checkpoint, out, *flags)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert not out.exists()
    return done.stderr


def mask(model: Path, image: Path, *flags: object) -> Labels:
    """Run a network on a picture and read the labels that were written."""
    out = model.with_name(f"{model.stem}-{image.stem}.mask.png")
    done = in_process("run", model, image, "--save", "mask", "--out", out, "--force", *flags)
    assert done.returncode == 0, done.stderr
    with Image.open(out) as written:
        return np.array(written)


def scores(*arguments: object) -> dict[str, Any]:
    """Evaluate and return the report, with what was said as ``said``."""
    done = in_process("eval", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "said": done.stderr}


def agreement(a: Labels, b: Labels) -> float:
    """Return the share of equal labels of two masks of one size."""
    assert a.shape == b.shape
    return float((a == b).mean())
