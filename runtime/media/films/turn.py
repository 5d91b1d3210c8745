"""Pictures upright: phones film sideways and write the turn into the file."""

import struct
from typing import Any

import numpy as np

from segpp.images.preprocess import ImageArray

__all__ = ["Matrix", "is_sideways", "matrix_of", "upright"]

# a, b, c, d: what is at (x, y) is shown at (ax + cy, bx + dy), but for a shift.
Matrix = tuple[int, int, int, int]

_NONE = (1, 0, 0, 1)


def upright(frame: Any, matrix: Matrix | None = None) -> ImageArray:
    """Return a frame of PyAV as RGB (H, W, 3), turned and mirrored as its film says.

    Args:
        matrix: What it says, where that is known; else this frame is asked if it is turned.
    """
    image = frame.to_ndarray(format="rgb24")
    if matrix is None:
        matrix = matrix_of(frame) if frame.rotation else _NONE
    a, b, c, d = matrix
    if is_sideways(matrix):
        image = _mirrored(image.transpose(1, 0, 2), rows=b < 0, columns=c < 0)
    else:
        image = _mirrored(image, rows=d < 0, columns=a < 0)
    return np.ascontiguousarray(image)


def is_sideways(matrix: Matrix) -> bool:
    """Return whether rows become columns."""
    a, b, _c, _d = matrix
    return abs(b) > abs(a)


def matrix_of(frame: Any) -> Matrix:
    """Return how a film is turned, of one of its frames.

    Not of each: PyAV has a frame and what is beside it hold each other, so that its megabytes stay
    until Python looks for such cycles.
    """
    try:
        data = frame.side_data["DISPLAYMATRIX"]
    except (KeyError, ValueError):
        # ValueError: besides one that this PyAV does not know yet.
        return _NONE
    # Nine numbers, a b u c d v x y w.
    a, b, _u, c, d, *_ = struct.unpack("=9i", bytes(data)[:36])
    return a, b, c, d


def _mirrored(image: ImageArray, *, rows: bool, columns: bool) -> ImageArray:
    return image[:: -1 if rows else 1, :: -1 if columns else 1]
