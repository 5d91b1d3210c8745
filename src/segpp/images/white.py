"""Pixels of more than 8 bits, and floats, as 8 bits: by the value that counts as white.

    max     what the file's type can hold at most; of whole numbers the high byte counts
    N       that value: min(255, floor(pixel * 255 / N + 0.5)), what is below 0 is 0
    auto    the value that 99.9 % of the picture's samples do not pass, rounded up to the next of
            255, 1023, 4095, 10000, 16383 and 65535

Pictures of 8 bits and less are what they are. The C++ runtime does the same, to the bit.
"""

import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import ImageError, InputError, PictureWarning

__all__ = [
    "AUTO",
    "MAX",
    "WhiteCount",
    "auto_white",
    "brightest_of",
    "check_white",
    "is_scaled",
    "scaled",
    "to_8_bits",
    "usual_white",
    "warn_if_dark",
]

AUTO, MAX = "auto", "max"

Pixels = NDArray[Any]
Pixels8 = NDArray[np.uint8]

_WHITE = 255
_BYTE = 8
_USUAL = (255, 1023, 4095, 10_000, 16_383, 65_535)
_NUMBER = re.compile(r"[0-9]{1,20}([.][0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")
# A picture whose brightest pixel is below this part of its range looks black.
_DARK = 0.25
# 16 bits have few enough values for a table of them.
_TABLE_BYTES = 2
# Values that are looked at at once.
_BLOCK = 1 << 22


def check_white(white: str | float | None) -> str | None:
    """Return a white point as it stands in a manifest: ``auto``, ``max``, a number or None.

    Raises:
        InputError: It is something else.
    """
    if white is None or (isinstance(white, str) and white in {AUTO, MAX}):
        return white
    value = math.nan
    if not isinstance(white, bool) and _NUMBER.fullmatch(str(white)):
        value = float(white)
    if not (math.isfinite(value) and value > 0):
        raise InputError(
            f"`white` is {white!r:.80}",
            f"expected: {AUTO}, {MAX} or the value that is white, as 4095",
        )
    return str(int(value)) if value.is_integer() else repr(value)


def is_scaled(dtype: np.dtype[Any]) -> bool:
    """Return whether pixels of a type need a white point."""
    return dtype != np.uint8


def to_8_bits(
    path: Path, pixels: Pixels, bits: int, white: str | None, *, colors: int | None = None
) -> Pixels8:
    """Return pixels of any type as 8 bits.

    A picture that none is given for, and whose brightest pixel is below a quarter of what its type
    holds, is warned about: it would be nearly black.

    Args:
        path: The file, for messages.
        pixels: Of any shape, channels last.
        bits: Of a sample.
        white: As ``check_white`` returns it; None for ``max``.
        colors: How many of the first channels count where values are looked at; all if None.

    Raises:
        ImageError: They are floats outside of 0 to 1, and no number is given.
    """
    seen = pixels[..., :colors]
    if white == AUTO:
        return scaled(pixels, auto_white(seen))
    if white not in {None, MAX}:
        return scaled(pixels, float(str(white)))
    if pixels.dtype.kind == "f":
        _check_unit(path, seen)
        most = 1.0
    else:
        most = float((1 << (bits - (pixels.dtype.kind == "i"))) - 1)
    if white is None:
        warn_if_dark(path, brightest_of(seen), most)
    return scaled(pixels, most) if pixels.dtype.kind == "f" else _high_byte(pixels, bits)


def scaled(pixels: Pixels, white: float) -> Pixels8:
    """Return pixels as 8 bits, ``white`` being 255."""
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= _TABLE_BYTES:
        table = _scaled(np.arange(np.iinfo(pixels.dtype).max + 1), white)
        found: Pixels8 = table[pixels]
        return found
    return _scaled(pixels, white)


def auto_white(pixels: Pixels) -> float:
    """Return the white point of a picture: see above.

    Floats of 0 to 1 have 1; what passes 65535 has the next power of two, less one.
    """
    values = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels.reshape(-1)
    if values.size == 0:
        return 1.0
    # Nearest rank, in whole numbers: the C++ runtime finds the same value.
    rank = (999 * values.size + 999) // 1000 - 1
    value = float(np.partition(values, rank)[rank])
    return usual_white(value, is_float=pixels.dtype.kind == "f")


class WhiteCount:
    """What ``auto_white`` finds, of a picture that comes in parts: how many values need which step.

    Args:
        dtype: Of the pixels.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._is_float = dtype.kind == "f"
        powers = tuple(float((1 << bits) - 1) for bits in range(17, 1024))
        self._steps = np.array(((1.0,) if self._is_float else ()) + _USUAL + powers)
        self._counts = np.zeros(len(self._steps) + 1, np.int64)

    def add(self, pixels: Pixels) -> None:
        """Count the values of one part (H, ...)."""
        for some in _in_blocks(pixels):
            values = some[np.isfinite(some)] if self._is_float else some.reshape(-1)
            places = np.searchsorted(self._steps, values.astype(np.float64))
            self._counts += np.bincount(places, minlength=len(self._counts))

    def white(self) -> float:
        """Return the white of all that was counted."""
        size = int(self._counts.sum())
        if size == 0:
            return 1.0
        reached = np.cumsum(self._counts) >= (999 * size + 999) // 1000
        return float(self._steps[min(int(np.argmax(reached)), len(self._steps) - 1)])


def usual_white(value: float, *, is_float: bool = False) -> float:
    """Return the next usual white above a value."""
    steps = (1.0, *_USUAL) if is_float else _USUAL
    usual = next((step for step in steps if value <= step), None)
    return float(usual or (1 << math.ceil(math.log2(value + 1))) - 1)


def warn_if_dark(path: Path, brightest: float, most: float) -> None:
    """Warn of a picture whose brightest pixel is far below what its type holds."""
    if 0 < brightest < _DARK * most:
        likely = brightest if most <= 1 else usual_white(brightest, is_float=False)
        warnings.warn(
            f"{path} is nearly black: its brightest pixel is {brightest:g}, and white would be "
            f"{most:g}; say what is white: `white={likely:g}`, "
            "`white=auto`, or `white=max` if it is dark",
            PictureWarning,
            stacklevel=2,
        )


def _check_unit(path: Path, pixels: Pixels) -> None:
    least, most = _range_of(pixels)
    if not (least >= 0 and most <= 1):
        raise ImageError(
            f"{path} holds floats from {least:g} to {most:g}",
            "without a word on them, floats go from 0 to 1",
            # Of a mosaic this is one window.
            hint=f"say what is white: `white=auto`, or `white={most:g}` if nothing is brighter"
            if most > 0
            else None,
        )


def brightest_of(pixels: Pixels) -> float:
    """Return the highest finite value, 0 if there is none."""
    return _range_of(pixels)[1]


def _range_of(pixels: Pixels) -> tuple[float, float]:
    """Return the lowest and the highest finite value, 0 and 0 if there are none."""
    if pixels.dtype.kind != "f":
        return float(pixels.min()), float(pixels.max())
    least, most = np.inf, -np.inf
    for some in _in_blocks(pixels):
        known = np.isfinite(some)
        least = min(least, float(some.min(where=known, initial=np.inf)))
        most = max(most, float(some.max(where=known, initial=-np.inf)))
    return (least, most) if least <= most else (0.0, 0.0)


def _scaled(pixels: Pixels, white: float) -> Pixels8:
    known = np.empty(pixels.shape, np.uint8)
    # Signalling ones among what is not a number are no reason to speak.
    with np.errstate(invalid="ignore", over="ignore"):
        for some, into in zip(_in_blocks(pixels), _in_blocks(known), strict=True):
            levels = np.floor(some.astype(np.float64) * float(_WHITE) / white + 0.5)
            # Not a number means that nothing was seen there.
            into[...] = np.nan_to_num(levels, nan=0.0).clip(0, _WHITE)
    return known


def _in_blocks(pixels: Pixels) -> Iterator[Pixels]:
    """Yield views of some rows at a time: doubles are many times what a picture takes."""
    rows = max(_BLOCK * len(pixels) // max(pixels.size, 1), 1)
    for top in range(0, len(pixels), rows):
        yield pixels[top : top + rows]


def _high_byte(pixels: Pixels, bits: int) -> Pixels8:
    kept = bits - (pixels.dtype.kind == "i")
    if kept < _BYTE:
        return scaled(pixels, float((1 << kept) - 1))
    low = pixels.clip(0) if pixels.dtype.kind == "i" else pixels
    high: Pixels8 = (low >> low.dtype.type(kept - _BYTE)).astype(np.uint8)
    return high
