"""How sure a network is of the class that it gives each pixel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segpp.images.drawing.legend import INK, PAPER, text_height
from segpp.images.drawing.text import font_of_size
from segpp.images.preprocess import ImageArray

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
    logits: NDArray[Any], size: tuple[int, int], *, align_corners: bool = False
) -> Floats:
    """Return the softmax probability of the best class of every pixel, (H, W), 0 to 1.

    It is computed at the logits' size and then resized bilinearly. With one channel it is the
    sigmoid of the better of the two classes.

    Args:
        logits: (K, h, w) of one image.
        size: Height and width wanted.
        align_corners: Map corner pixels onto corner pixels, as for the labels.
    """
    values = np.asarray(logits, np.float32)
    if len(values) == 1:
        values = np.concatenate([np.zeros_like(values), values])
    # exp(max - max) is 1, so the best class's share is one over the sum.
    best = 1 / np.exp(values - values.max(0)).sum(0)
    box = _aligned_box(best.shape, size) if align_corners else None
    flat = Image.fromarray(best.astype(np.float32))
    resized = flat.resize(size[::-1], Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized, np.float32)


def draw_confidence(confidence: Floats) -> ImageArray:
    """Return the map in colour (H + scale, W, 3), with the scale from 0 to 1 below it."""
    painted = _painted(confidence)
    return np.concatenate([painted, np.asarray(_scale(*confidence.shape))])


def _aligned_box(
    shape: tuple[int, ...], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Return the part of the map whose half-pixel resizing puts corners onto corners."""
    starts = [
        0.5 - 0.5 * (count - 1) / (wanted - 1) if wanted > 1 else 0.0
        for count, wanted in zip(shape, size, strict=True)
    ]
    top, left = (max(0.0, start) for start in starts)
    return left, top, shape[1] - left, shape[0] - top


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
