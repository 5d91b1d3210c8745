"""How sure a network is of the class that it gives each pixel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segpp.images.drawing.legend import INK, PAPER, UNSEEN, text_height
from segpp.images.drawing.text import font_of_size
from segpp.images.fit import place
from segpp.images.postprocess import resize_values
from segpp.images.preprocess import ImageArray
from segpp.manifest import InputSpec

__all__ = ["confidence_of", "draw_confidence"]

Floats = NDArray[np.float32]

# Viridis at fifths: as bright as sure, in grey too, and told apart by all eyes.
# Source: Smith and van der Walt, A Better Default Colormap for Matplotlib, SciPy 2015 (CC0).
_VIRIDIS = (
    (68, 1, 84),
    (65, 68, 135),
    (42, 120, 142),
    (34, 168, 132),
    (122, 209, 81),
    (253, 231, 37),
)
_STEPS = 256
_TICKS = 5


def confidence_of(
    logits: NDArray[Any],
    size: tuple[int, int],
    *,
    align_corners: bool = False,
    spec: InputSpec | None = None,
) -> Floats:
    """Return the softmax probability of the best class of every pixel, (H, W), 0 to 1.

    It is computed at the logits' size and then resized bilinearly. With one channel it is the
    sigmoid of the better of the two classes. Where the network did not see the picture it is NaN.

    Args:
        logits: (K, h, w) of one image.
        size: Height and width of the image.
        align_corners: Map corner pixels onto corner pixels, as for the labels.
        spec: How the image became the input; without it it filled the whole.
    """
    values = np.asarray(logits, np.float32)
    if len(values) == 1:
        values = np.concatenate([np.zeros_like(values), values])
    # exp(max - max) is 1, so the best class's share is one over the sum.
    best = 1 / np.exp(values - values.max(0)).sum(0)
    placed = None if spec is None else place(size, spec)
    resized = resize_values(best, size, align_corners=align_corners, placed=placed)
    if placed is None or not placed.is_cut:
        return resized
    confidence = np.full_like(resized, np.nan)
    seen = placed.rows.seen, placed.columns.seen
    confidence[seen] = resized[seen]
    return confidence


def draw_confidence(confidence: Floats) -> ImageArray:
    """Return the map in colour (H + scale, W, 3), with the scale from 0 to 1 below it.

    Pixels that are NaN, which the network did not see, are grey, a colour that the scale has not.
    """
    is_unseen = np.isnan(confidence)
    painted = _painted(np.where(is_unseen, 0, confidence))
    painted[is_unseen] = UNSEEN
    return np.concatenate([painted, np.asarray(_scale(*confidence.shape))])


def _painted(values: Floats) -> ImageArray:
    places = np.linspace(0, 1, _STEPS)
    knots = np.linspace(0, 1, len(_VIRIDIS))
    channels = np.array(_VIRIDIS, float).T
    table = np.stack([np.interp(places, knots, channel) for channel in channels], 1)
    rows = np.clip(values * (_STEPS - 1) + 0.5, 0, _STEPS - 1).astype(np.uint8)
    painted: ImageArray = np.round(table).astype(np.uint8)[rows]
    return painted


def _scale(height: int, width: int) -> Image.Image:
    size = text_height(height, width)
    sheet = Image.new("RGB", (width, 5 * size), PAPER)
    pen, font = ImageDraw.Draw(sheet), font_of_size(size)
    bar = max(width - 4 * size, 1)
    ramp = np.broadcast_to(np.linspace(0, 1, bar, dtype=np.float32), (size, bar))
    sheet.paste(Image.fromarray(_painted(ramp)), ((width - bar) // 2, size // 2))
    for tick in range(_TICKS + 1):
        left = (width - bar) / 2 + bar * tick / _TICKS
        pen.text((left, 1.7 * size), f"{tick / _TICKS:.1f}", INK, font, anchor="ma")
    pen.text((width / 2, 3.2 * size), "probability of the class shown", INK, font, anchor="ma")
    return sheet
