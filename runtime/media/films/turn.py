"""Pictures upright: phones film sideways and write the turn into the file."""

import struct
from typing import Any

import numpy as np

from segpp.images.preprocess import ImageArray

__all__ = ["is_sideways", "upright"]

_NONE = (1, 0, 0, 1)


def upright(frame: Any) -> ImageArray:
    """Return a frame of PyAV as RGB (H, W, 3), turned and mirrored as its file says."""
    image = frame.to_ndarray(format="rgb24")
    a, b, c, d = _matrix(frame)
    if abs(b) > abs(a):
        image = _mirrored(image.transpose(1, 0, 2), rows=b < 0, columns=c < 0)
    else:
        image = _mirrored(image, rows=d < 0, columns=a < 0)
    return np.ascontiguousarray(image)


def is_sideways(frame: Any) -> bool:
    """Return whether a frame's rows become columns."""
    a, b, _c, _d = _matrix(frame)
    return abs(b) > abs(a)


def _mirrored(image: ImageArray, *, rows: bool, columns: bool) -> ImageArray:
    return image[:: -1 if rows else 1, :: -1 if columns else 1]


def _matrix(frame: Any) -> tuple[int, int, int, int]:
    """Return a, b, c, d: what is at (x, y) is shown at (ax + cy, bx + dy), but for a shift."""
    try:
        data = frame.side_data["DISPLAYMATRIX"]
    except (KeyError, ValueError):
        # ValueError: besides one that this PyAV does not know yet.
        return _NONE
    # Nine numbers, a b u c d v x y w.
    a, b, _u, c, d, *_ = struct.unpack("=9i", bytes(data)[:36])
    return a, b, c, d
