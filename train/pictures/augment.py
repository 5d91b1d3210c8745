"""Pictures varied as a camera would vary them: mirrored, nearer, in another light.

Everything is drawn from one generator, so that the same generator gives the same picture. Mild on
purpose: the teacher labels what comes out, and is good at pictures as it knows them.
"""

import numpy as np
from numpy.typing import NDArray

from segpp.images.preprocess import ImageArray

__all__ = ["augmented", "augmented_pair"]

# Of both sides of the picture: a crop of 0.75 is of 56 % of its area.
_SMALLEST_SIDE = 0.75
_ASPECT = 0.1
_LIGHT = 0.2
_CONTRAST = 0.2
_TINT = 0.05
_GAMMA = 0.25
_SATURATION = 0.3
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_RGB = 3


def augmented(picture: ImageArray, draw: np.random.Generator) -> ImageArray:
    """Return a picture (h, w, C) made of one (H, W, C), both uint8."""
    seen = _window(picture.shape[:2], draw)
    return np.ascontiguousarray(_colored(picture[seen], draw))


def augmented_pair(
    picture: ImageArray, labels: NDArray[np.int32], draw: np.random.Generator
) -> tuple[ImageArray, NDArray[np.int32]]:
    """Return what ``augmented`` makes of a picture (H, W, C), and its labels (H, W) likewise."""
    seen = _window(picture.shape[:2], draw)
    return np.ascontiguousarray(_colored(picture[seen], draw)), labels[seen]


def _window(size: tuple[int, ...], draw: np.random.Generator) -> tuple[slice, slice]:
    """Return the rows and columns that are seen, columns from right to left in a mirror."""
    rows, columns = _crop(size, draw)
    if draw.random() < 1 / 2:
        before = columns.start - 1 if columns.start else None
        columns = slice(columns.stop - 1, before, -1)
    return rows, columns


def _crop(size: tuple[int, ...], draw: np.random.Generator) -> tuple[slice, slice]:
    height, width = size
    side = draw.uniform(_SMALLEST_SIDE, 1)
    stretch = draw.uniform(1 - _ASPECT, 1 + _ASPECT)
    rows = min(height, max(1, round(height * side * min(1.0, stretch))))
    columns = min(width, max(1, round(width * side * min(1.0, 1 / stretch))))
    top, left = (int(draw.integers(0, room + 1)) for room in (height - rows, width - columns))
    return slice(top, top + rows), slice(left, left + columns)


def _colored(picture: ImageArray, draw: np.random.Generator) -> ImageArray:
    channels = picture.shape[2]
    # Light and gamma are one table per channel, as many bits as there are.
    steps = np.linspace(0, 1, 256, dtype=np.float32)
    gamma = np.exp(draw.uniform(-_GAMMA, _GAMMA))
    contrast = draw.uniform(1 - _CONTRAST, 1 + _CONTRAST)
    light = draw.uniform(1 - _LIGHT, 1 + _LIGHT)
    tints = draw.uniform(1 - _TINT, 1 + _TINT, channels)
    saturation = draw.uniform(1 - _SATURATION, 1 + _SATURATION)
    curve = (steps**gamma - 0.5) * contrast + 0.5
    tables = np.clip(255 * light * curve[:, None] * tints, 0, 255).astype(np.float32)
    lit = np.stack([tables[picture[:, :, c], c] for c in range(channels)], axis=2)
    if channels == _RGB:
        lit = _saturated(lit, saturation)
    rounded: ImageArray = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    return rounded


def _saturated(picture: NDArray[np.float32], saturation: float) -> NDArray[np.float32]:
    grey = (picture @ _LUMA)[:, :, None]
    mixed: NDArray[np.float32] = grey + np.float32(saturation) * (picture - grey)
    return mixed
