"""Whether pictures are all alike, as the frames of a camera that stands still."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.train.pictures.reading import Reader

__all__ = ["ALIKE", "mean_difference"]

_SIDE = 16
_MOST = 64
# Grey values of 255 between two thumbnails: frames of one drive differ by some 20 and more, those
# of a camera that stands by less than 3.
ALIKE = 4.0


def mean_difference(pictures: Sequence[Path], reader: Reader) -> float:
    """Return how far thumbnails of two pictures are apart on average, in grey values of 255."""
    chosen = [pictures[i * len(pictures) // _MOST] for i in range(_MOST)]
    small = np.stack([_thumbnail(path, reader) for path in dict.fromkeys(chosen)])
    count = len(small)
    if count == 1:
        return 0.0
    apart = [np.abs(small[i] - small[i + 1 :]).mean(axis=1).sum() for i in range(count - 1)]
    return float(sum(apart) / (count * (count - 1) / 2))


def _thumbnail(path: Path, reader: Reader) -> NDArray[np.float32]:
    grey = reader(path).mean(axis=2).astype(np.uint8)
    small = Image.fromarray(grey).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float32).reshape(-1)
