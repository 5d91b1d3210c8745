"""Dark pictures made bright enough for colours to be told apart over them."""

import numpy as np
from numpy.typing import NDArray

from segpp.images.preprocess import ImageArray

__all__ = ["lifted"]

# Below this median a picture is dark; at it nothing changes, so that a film does not flicker.
_DARK = 60.0
# At least half a step of 8 bits, or a black picture would have no exponent.
_BLACK = 0.5
# A picture of the night is to stay one: beyond this its noise would be all there is.
_STRONGEST = 0.45
_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)  # of ITU-R BT.601's luma
_SAMPLES = 256


def lifted(image: ImageArray) -> ImageArray:
    """Return a dark image (H, W, 3) with its shadows lifted, another as it is.

    The exponent of a power function is chosen so that the median of the luma becomes that of a
    picture that just is not dark.
    """
    exponent = _exponent(image)
    if exponent == 1.0:
        return image
    table = np.round(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    brightened: NDArray[np.uint8] = table[image]
    return brightened


def _exponent(image: ImageArray) -> float:
    step = max(1, min(image.shape[:2]) // _SAMPLES)
    median = float(np.median(image[::step, ::step] @ _WEIGHTS))
    if median >= _DARK:
        return 1.0
    wanted = np.log(_DARK / 255) / np.log(max(median, _BLACK) / 255)
    return max(_STRONGEST, float(wanted))
