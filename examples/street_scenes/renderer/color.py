"""Arithmetic on 8-bit RGB triples."""

from collections.abc import Sequence

import numpy as np

Color = tuple[int, int, int]

BLACK: Color = (12, 12, 14)
WHITE: Color = (238, 238, 234)
GLASS: Color = (38, 46, 56)


def clip(red: float, green: float, blue: float) -> Color:
    """Round three channels into the range of a byte."""
    # Conditional expressions, since this runs thousands of times in a scene.
    return (
        0 if red < 0 else 255 if red > 255 else int(red),
        0 if green < 0 else 255 if green > 255 else int(green),
        0 if blue < 0 else 255 if blue > 255 else int(blue),
    )


def mix(first: Color, second: Color, share: float) -> Color:
    """Move ``first`` towards ``second`` by ``share``, in [0, 1]."""
    (r, g, b), (to_r, to_g, to_b) = first, second
    return clip(r + (to_r - r) * share, g + (to_g - g) * share, b + (to_b - b) * share)


def shade(color: Color, factor: float) -> Color:
    """Multiply all channels by ``factor``."""
    return clip(color[0] * factor, color[1] * factor, color[2] * factor)


def jitter(rng: np.random.Generator, color: Color, amount: float) -> Color:
    """Shift brightness by up to ``amount`` and every channel by a third of that."""
    brightness = rng.uniform(-amount, amount)
    red, green, blue = (rng.uniform(-amount, amount, 3) / 3 + brightness).tolist()
    return clip(color[0] + red, color[1] + green, color[2] + blue)


def pick(rng: np.random.Generator, colors: Sequence[Color], amount: float = 16) -> Color:
    """Choose one color and vary it."""
    return jitter(rng, colors[int(rng.integers(len(colors)))], amount)
