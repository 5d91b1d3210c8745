"""Lines between classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from segpp.images.preprocess import ImageArray

__all__ = ["contours", "draw_contours", "line_width"]

# A line is seen at any size at which the whole picture fits on a screen.
_SIDE_PER_PIXEL = 700
# White on a dark edge: on a bright sky the edge is seen, on a dark road the line.
_LINE, _EDGE = 255, 0.35


def contours(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels (H, W) whose right or lower neighbour is of another class."""
    differs = np.zeros(labels.shape, bool)
    differs[:, :-1] = labels[:, :-1] != labels[:, 1:]
    differs[:-1] |= labels[:-1] != labels[1:]
    return differs


def line_width(height: int, width: int) -> int:
    """Return how wide a line must be, in pixels, to be seen in a picture of that size."""
    return max(1, round(max(height, width) / _SIDE_PER_PIXEL))


def draw_contours(picture: ImageArray, labels: NDArray[Any]) -> ImageArray:
    """Return the picture (H, W, 3) with a white line on a dark edge between its classes (H, W)."""
    width = line_width(*labels.shape)
    border = contours(labels)
    line = _widened(border, width)
    edge = _widened(border, width + 2 * max(1, width // 2)) & ~line
    drawn: ImageArray = picture.copy()
    drawn[edge] = (drawn[edge] * _EDGE).astype(np.uint8)
    drawn[line] = _LINE
    return drawn


def _widened(line: NDArray[np.bool_], width: int) -> NDArray[np.bool_]:
    if width == 1:
        return line
    # Pillow's filter takes odd sizes only.
    filtered = Image.fromarray(line).convert("L").filter(ImageFilter.MaxFilter(width | 1))
    wide: NDArray[np.bool_] = np.asarray(filtered) > 0
    return wide
