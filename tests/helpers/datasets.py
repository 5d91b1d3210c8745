"""Images with labels, written as files."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["dataset", "save"]


def save(path: Path, pixels: NDArray[Any], **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]  # forwarded options
    return path


def dataset(root: Path, labels: list[NDArray[np.uint8]]) -> tuple[Path, Path]:
    """Images whose red channel is their label: a model can read the truth off them."""
    for i, one in enumerate(labels):
        save(root / "images" / f"{i}.png", np.stack([one, one, one], 2))
        save(root / "labels" / f"{i}.png", one)
    return root / "images", root / "labels"
