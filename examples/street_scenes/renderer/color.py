"""Arithmetic on 8-bit RGB triples."""

from collections.abc import Sequence

import numpy as np

Colour = tuple[int, int, int]

BLACK: Colour = (12, 12, 14)
WHITE: Colour = (238, 238, 234)
GLASS: Colour = (38, 46, 56)


def clip(red: float, green: float, blue: float) -> Colour:
    """Round three channels into the range of a byte."""
    # Conditional expressions, since this runs thousands of times in a scene.
    return (
        0 if red < 0 else 255 if red > 255 else int(red),
        0 if green < 0 else 255 if green > 255 else int(green),
        0 if blue < 0 else 255 if blue > 255 else int(blue),
    )


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Move ``first`` towards ``second`` by ``share``, in [0, 1]."""
    (r, g, b), (to_r, to_g, to_b) = first, second
    return clip(r + (to_r - r) * share, g + (to_g - g) * share, b + (to_b - b) * share)


def shade(colour: Colour, factor: float) -> Colour:
    """Multiply all channels by ``factor``."""
    return clip(colour[0] * factor, colour[1] * factor, colour[2] * factor)


def jitter(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    """Shift brightness by up to ``amount`` and every channel by a third of that."""
    brightness = rng.uniform(-amount, amount)
    red, green, blue = (rng.uniform(-amount, amount, 3) / 3 + brightness).tolist()
    return clip(colour[0] + red, colour[1] + green, colour[2] + blue)


def pick(rng: np.random.Generator, colours: Sequence[Colour], amount: float = 16) -> Colour:
    """Choose one colour and vary it."""
    return jitter(rng, colours[int(rng.integers(len(colours)))], amount)
