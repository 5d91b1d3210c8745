"""From what a file stores to a picture of 8 bits: colours looked up, white found, upright.

Channels behind the colours are kept, for networks that take them; ``colors`` tells how many of the
first are the picture.
"""

import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import ImageError, InputError, MissingError
from segpp.images.stored import Stored, read_stored
from segpp.images.stored.base import damaged, orientation_of, upright
from segpp.images.white import MAX, is_scaled, scaled, to_8_bits, warn_if_dark

__all__ = [
    "MOST_BANDS",
    "Picture",
    "check_band_numbers",
    "check_bands",
    "finished",
    "read_picture",
    "rgb_of",
]

Pixels = NDArray[Any]

_DIMENSIONS = 3  # (H, W, C)
_RGB = 3
_BYTE, _BYTE_WHITE = 8, 255
# Modes of Pillow that it makes RGB of.
_CONVERTED = {"1", "CMYK", "LA", "LAB", "PA", "RGBX", "YCbCr"}
# What all bits of a byte and of two are.
_FULL = {255, 65535}
MOST_BANDS = 1024


@dataclass(frozen=True)
class Picture:
    """A picture of 8 bits.

    Attributes:
        pixels: (H, W, C), upright.
        colors: How many of the first channels are grey or colours: what stands behind is
            transparency, or bands beside red, green and blue.
    """

    pixels: NDArray[np.uint8]
    colors: int


def read_picture(
    path: Path, *, white: str | None = None, bands: Sequence[int] | None = None, page: int = 0
) -> Picture:
    """Read one page of a file.

    Args:
        path: The file.
        white: As ``segpp.images.white`` says.
        bands: The channels that make the picture, counted from 1.
        page: Of several, from 0.

    Raises:
        ImageError: It cannot be read, or has not these bands.
        MissingError: It needs a package that is not installed.
    """
    try:
        stored = read_stored(path, page=page)
    except MissingError:
        # Numbers take the package; to be looked at, more is good enough.
        found = _looked_at(path, page)
        if found is None:
            raise
        stored = found
    if stored.space:
        stored = _converted(path, stored)
    return finished(path, stored, white=white, bands=bands)


def finished(
    path: Path, stored: Stored, *, white: str | None = None, bands: Sequence[int] | None = None
) -> Picture:
    """Return what is stored as a picture, as ``read_picture`` does."""
    array = _colors_of(stored)
    pixels = array if array.ndim == _DIMENSIONS else array[:, :, None]
    colors = pixels.shape[2] - stored.extra
    if bands is not None:
        pixels, colors = _chosen(path, pixels, bands), len(bands)
    levels = _eight_bits(path, pixels, stored, white, colors)
    if stored.white_is_zero and stored.palette is None:
        levels = np.uint8(_BYTE_WHITE) - levels
    return Picture(upright(levels, stored.orientation), colors)


def rgb_of(path: Path, picture: Picture) -> NDArray[np.uint8]:
    """Return a picture as RGB (H, W, 3), what lies behind its colours dropped.

    Raises:
        ImageError: It is neither grey nor of three colours.
    """
    if picture.colors == _RGB:
        return np.ascontiguousarray(picture.pixels[:, :, :_RGB])
    if picture.colors == 1:
        return np.repeat(picture.pixels[:, :, :1], _RGB, axis=2)
    raise ImageError(
        f"{path} has {picture.pixels.shape[2]} channels, and the network takes {_RGB}",
        hint="say which, counted from 1 as GDAL does: `bands=3,2,1`",
    )


def check_bands(bands: Sequence[int] | None) -> tuple[int, ...] | None:
    """Return the numbers of bands, counted from 1.

    Raises:
        InputError: They are no such numbers.
    """
    if bands is None:
        return None
    problem = InputError(
        f"`bands` is {bands!r:.80}", "expected: numbers of bands, counted from 1, as 3,2,1"
    )
    if isinstance(bands, str | bytes) or not isinstance(bands, Iterable):
        raise problem
    listed = list(bands)
    for band in listed:
        if isinstance(band, bool) or not isinstance(band, int) or not 1 <= band <= MOST_BANDS:
            raise problem
    if not 1 <= len(listed) <= MOST_BANDS:
        raise problem
    return tuple(listed)


def check_band_numbers(path: Path, have: int, bands: Sequence[int]) -> None:
    """Raise ImageError if one of the bands, counted from 1, is not among those that there are."""
    if wrong := [band for band in bands if not 1 <= band <= have]:
        raise ImageError(f"{path} has {have} band(s), and no band {wrong[0]}")


def _colors_of(stored: Stored) -> Pixels:
    if stored.palette is None:
        return stored.array
    # Numbers without a colour are black, as Pillow has them.
    table = np.zeros((int(stored.array.max()) + 1, _RGB), np.uint8)
    known = stored.palette[: len(table)]
    table[: len(known)] = known
    colors: Pixels = table[stored.array]
    return colors


def _chosen(path: Path, pixels: Pixels, bands: Sequence[int]) -> Pixels:
    check_band_numbers(path, pixels.shape[2], bands)
    return pixels[:, :, [band - 1 for band in bands]]


def _eight_bits(
    path: Path, pixels: Pixels, stored: Stored, white: str | None, colors: int
) -> NDArray[np.uint8]:
    if stored.palette is not None:
        return pixels
    is_deep = is_scaled(pixels.dtype)
    if is_deep and white not in {None, MAX}:
        return to_8_bits(path, pixels, stored.bits, white, colors=colors)
    if stored.white is not None and stored.white not in _FULL:
        if is_deep and white is None:
            warn_if_dark(path, float(pixels.max()), stored.white)
        return scaled(pixels, stored.white)
    if is_deep:
        return to_8_bits(path, pixels, stored.bits, white, colors=colors)
    return pixels if stored.bits >= _BYTE else scaled(pixels, (1 << stored.bits) - 1)


def _looked_at(path: Path, page: int) -> Stored | None:
    """Return a TIFF of colours that Pillow alone converts to RGB, None of anything else."""
    with suppress(Exception), Image.open(path, formats=["TIFF"]) as image:
        image.seek(page)
        if image.mode in _CONVERTED:
            turn = orientation_of(image)
            return Stored(np.array(image.convert("RGB")), orientation=turn)
    return None


def _converted(path: Path, stored: Stored) -> Stored:
    """Return a page in colours that are no RGB as RGB, as far as Pillow converts it."""
    if stored.array.dtype != np.uint8:
        raise ImageError(f"{path} holds {stored.space} of {stored.bits} bits, which is not read")
    try:
        with warnings.catch_warnings(), Image.open(path, formats=["TIFF"]) as image:
            # Of odd metadata, which was read before.
            warnings.simplefilter("ignore")
            image.seek(stored.directory)
            colors = np.array(image.convert("RGB"))
    except Exception as failure:  # of a damaged file Pillow raises a dozen kinds of error
        raise damaged(path, failure) from failure
    if colors.shape[:2] != stored.array.shape[:2]:
        raise ImageError(f"{path} is damaged", "its page is not as large as it says")
    return replace(stored, array=colors, space=None, extra=0)
