"""Which pixels a resized one is made of, and with what weights: those of Pillow, to the bit.

Pillow resizes 8 bits one side after the other. For pixel i of ``after`` it takes those of
``before`` around (i + 0.5) * before / after, as far as the filter reaches, and rounds the weights
to 22 bits:

    pixel = clip(floor(sum(weight * source) + 0.5), 0, 255)

Source: Pillow, src/libImaging/Resample.c (precompute_coeffs, normalize_coeffs_8bpc).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from segpp.utils.choices import check_choice

__all__ = ["Taps", "resize_taps"]

_BITS = 22


@dataclass(frozen=True)
class Taps:
    """What each pixel along one side is made of.

    Attributes:
        sources: Places along the side before (T, after) int64.
        weights: Their weights (T, after) float32, each a whole number of 2**-22; 0 where a pixel
            is made of fewer than T.
    """

    sources: NDArray[np.int64]
    weights: NDArray[np.float32]


def resize_taps(before: int, after: int, resize: str) -> Taps:
    """Return what each of ``after`` pixels is made of.

    Args:
        before: How many there are along the side.
        after: How many there are to be.
        resize: What the manifest calls the way: ``pillow-bilinear``, ``pillow-bicubic`` or
            ``pillow-nearest``.

    Raises:
        InputError: There is no such way.
    """
    check_choice(resize, [*_FILTERS, _NEAREST], kind="way to resize")
    if resize == _NEAREST:
        # Summed step by step, whose rounding decides at the borders of pixels.
        steps = np.full(after, before / after)
        steps[0] /= 2
        places = np.cumsum(steps).astype(np.int64)
        return Taps(places[None], np.ones((1, after), np.float32))
    kernel, reach = _FILTERS[resize]
    stretch = max(before / after, 1.0)
    support = reach * stretch
    centers = (np.arange(after) + 0.5) * (before / after)
    first = np.maximum((centers - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centers + support + 0.5).astype(np.int64), before)
    places = first + np.arange(ceil(support) * 2 + 1)[:, None]
    weights = kernel(np.abs((places - centers + 0.5) / stretch))
    weights[places >= last] = 0.0
    weights /= weights.sum(0)
    whole = np.trunc(weights * (1 << _BITS) + np.copysign(0.5, weights))
    used = (whole != 0).any(1)
    sources = np.minimum(places, before - 1)[used]
    return Taps(sources, (whole[used] / (1 << _BITS)).astype(np.float32))


def _bilinear(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1.0 - x, 0.0)


def _bicubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    a = -0.5
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))  # noqa: PLR2004 - its two parts


# The filter, and how far it reaches at a scale of one.
_FILTERS: dict[str, tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], float]] = {
    "pillow-bilinear": (_bilinear, 1.0),
    "pillow-bicubic": (_bicubic, 2.0),
}
_NEAREST = "pillow-nearest"
