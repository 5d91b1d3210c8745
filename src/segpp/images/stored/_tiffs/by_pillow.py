"""The TIFFs that Pillow reads without changing a number, for where tifffile is not installed."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from segpp.errors import MissingError
from segpp.images.stored.base import (
    Stored,
    check_page,
    check_size,
    extra_of,
    orientation_of,
    plain,
)

__all__ = ["count_by_pillow", "read_by_pillow"]

_BITS, _PHOTOMETRIC, _COLOR_MAP, _SAMPLE_FORMAT = 258, 262, 320, 339
_COMPRESSION, _JPEG = 259, {6, 7}
_WHITE_IS_ZERO, _PALETTE = 0, 3
_UNSIGNED = 1
_MODES = {"L": (8,), "P": (8,), "RGB": (8, 8, 8), "RGBA": (8, 8, 8, 8), "I;16": (16,)}


def read_by_pillow(path: Path, page: int) -> Stored:
    """Return what a page stores: 8 bits of grey, colour or palette, 16 bits of grey.

    Raises:
        MissingError: It is another kind of TIFF.
    """
    try:
        with Image.open(path, formats=["TIFF"]) as image:
            pages = int(getattr(image, "n_frames", 1))
            check_page(path, page, pages)
            image.seek(page)
            check_size(path, (image.height, image.width, len(image.getbands())), 2)
            return _stored(path, image, pages)
    except UnidentifiedImageError as failure:
        raise _missing(path) from failure


def count_by_pillow(path: Path) -> int:
    """Return how many pages a file has."""
    with Image.open(path, formats=["TIFF"]) as image:
        return int(getattr(image, "n_frames", 1))


def _stored(path: Path, image: Image.Image, pages: int) -> Stored:
    tags = image.tag_v2  # type: ignore[attr-defined]
    bits = tuple(tags.get(_BITS, (1,)))
    formats = {*tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))}
    mode = image.mode.partition("B")[0] if image.mode == "I;16B" else image.mode
    if _MODES.get(mode) != bits or formats != {_UNSIGNED}:
        raise _missing(path)
    white_is_zero = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    array = plain(np.array(image))
    if white_is_zero and mode == "L":
        # Pillow turned it round.
        array = np.uint8(255) - array
    return Stored(
        array,
        _palette(image),
        white_is_zero,
        bits[0],
        pages,
        extra=extra_of(mode),
        orientation=orientation_of(image),
        lossy="JPEG" if tags.get(_COMPRESSION) in _JPEG else None,
    )


def _palette(image: Image.Image) -> NDArray[np.uint8] | None:
    if image.mode != "P":
        return None
    return np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)


def _missing(path: Path) -> MissingError:
    return MissingError(
        "the package tifffile is not installed",
        f"{path} is a TIFF that Pillow does not read, or not as it is stored",
        hint="pip install 'segpp[tiff]'",
    )
