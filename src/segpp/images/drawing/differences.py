"""Where two masks of one image differ."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import InputError
from segpp.images.preprocess import ImageArray

__all__ = ["DIFFERENT", "mark_differences", "share_different"]

# A hue that neither streets nor rooms nor the usual palettes have.
DIFFERENT = (255, 0, 170)

_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)  # of ITU-R BT.601's luma
_FAINT = 0.45


def share_different(
    labels: NDArray[Any],
    others: NDArray[Any],
    counted: NDArray[np.bool_] | None = None,
    *,
    unseen: int | None = None,
) -> float:
    """Return the share of the pixels whose class differs, 0 without any pixel.

    Args:
        labels: Class numbers (H, W).
        others: Those to compare with.
        counted: The pixels to compare; by default all.
        unseen: A label that stands for none: where both have it there is nothing to compare.
    """
    differs = labels != others
    if unseen is not None:
        is_seen = differs | (labels != unseen)
        counted = is_seen if counted is None else counted & is_seen
    compared = differs if counted is None else differs[counted]
    return float(compared.mean()) if compared.size else 0.0


def mark_differences(
    image: ImageArray,
    labels: NDArray[Any],
    others: NDArray[Any],
    counted: NDArray[np.bool_] | None = None,
) -> ImageArray:
    """Return the image (H, W, 3) in faint grey, with the pixels that differ in one strong colour.

    Args:
        labels: Class numbers (H, W).
        others: Those to compare with.
        counted: The pixels to compare; by default all.
    """
    if not image.shape[:2] == labels.shape == others.shape:
        raise InputError(f"masks {labels.shape} and {others.shape} do not fit together")
    gray = 255 - _FAINT * (255 - image @ _WEIGHTS)
    marked = np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)
    differs = labels != others
    marked[differs if counted is None else differs & counted] = DIFFERENT
    return marked
