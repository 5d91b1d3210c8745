"""A small teacher and a small film, on which a training takes seconds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from segpp.images import sample_image

if TYPE_CHECKING:
    from torch import Tensor

# What merges here: at 64x64 a stage has 16x16, 8x8, 4x4 and 2x2 tokens.
REDUCE = tuple(f"{stage}.q=bsm:ratio=0.75,sy=2,sx=2" for stage in (1, 2, 3))
SMALL = ("--size", "64x64", *(word for text in REDUCE for word in ("--reduce", text)))
QUICK = (
    *("--steps", "12", "--check-every", "4", "--batch", "2", "--learning-rate", "0.0005"),
    *("--held-back", "0.3"),
)


def weights_of(path: Path) -> "dict[str, Tensor]":
    """Return the weights of a checkpoint under our names."""
    from segpp.export.models.loading import load_checkpoint  # noqa: PLC0415 - with torch

    return load_checkpoint(path).state


def call(teacher: Path, film: Path, out: Path, *more: object) -> list[object]:
    """Return the arguments of a small distillation."""
    return ["distill", teacher, film, "-o", out, *SMALL, *QUICK, "--precision", "fp32", *more]


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random network of six classes on which merging costs a tenth of the labels."""
    return written(tmp_path_factory.mktemp("teacher") / "teacher.pth")


@pytest.fixture(scope="session")
def wide_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with heads of sixteen channels, of which eight can go."""
    path = tmp_path_factory.mktemp("wide") / "teacher.pth"
    return written(path, dims=(16, 32, 80, 128))


def written(path: Path, **changes: object) -> Path:
    """Write a random checkpoint of six classes."""
    torch = pytest.importorskip("torch", reason="torch makes the checkpoint")
    from segpp.export.models.segformer.loading import state_dict_for  # noqa: PLC0415 - as above
    from tests.helpers.checkpoints import MINIATURE, lively, ours  # noqa: PLC0415

    state = lively(ours(replace(MINIATURE, classes=6, **changes)))  # type: ignore[arg-type]  # sizes
    torch.save({"state_dict": state_dict_for("mmsegmentation", state), "epoch": 3}, path)
    return path


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """Write frames of a street that drives by; by default twelve of 64x96 pixels."""

    def write(name: str = "film", count: int = 12) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        with Image.open(sample_image()) as street:
            wide = street.convert("RGB").resize((384, 192))
        for number in range(count):
            left, top = 23 * number % 280, 11 * number % 120
            frame = wide.crop((left, top, left + 96, top + 64))
            light = 0.7 + 0.05 * (number % 9)
            pixels = np.clip(np.asarray(frame) * light, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"frame_{number:03}.png")
        return folder

    return write
