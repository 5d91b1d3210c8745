"""JPEG 2000: 8 bits by Pillow, which changes all other depths; those by imagecodecs."""

import struct
from pathlib import Path

import numpy as np
from PIL import Image

from segpp.errors import MissingError
from segpp.images.stored.base import (
    CONTAINERS,
    Container,
    Pixels,
    Stored,
    check_page,
    check_size,
    extra_of,
    plain,
    rounded_bits,
)

_BOXED, _BARE = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"
# The boxes in front of the codestream hold little but a profile of colours.
_SEARCHED_BYTES = 4 << 20
_BYTE = 8
_SIGNED = 0x80
_WITH_ALPHA = {2, 4}


def _read(path: Path, page: int) -> Stored:
    check_page(path, page, 1)
    height, width, depths = _header(path)
    bits = max(depth & ~_SIGNED for depth in depths) + 1
    check_size(path, (height, width, len(depths)), rounded_bits(bits) // _BYTE or 1)
    if {*depths} == {_BYTE - 1}:
        with Image.open(path, formats=["JPEG2000"]) as image:
            return Stored(plain(np.array(image)), extra=extra_of(image.mode))
    extra = 1 if len(depths) in _WITH_ALPHA else 0
    return Stored(plain(_decoded(path)), bits=rounded_bits(bits), extra=extra)


def _header(path: Path) -> tuple[int, int, list[int]]:
    """Return height, width, and a byte per channel: its bits less one, and whether it is signed."""
    with path.open("rb") as file:
        content = file.read(_SEARCHED_BYTES)
    at = content.index(_BARE) + 8
    right, bottom, left, top = struct.unpack_from(">4I", content, at)
    (channels,) = struct.unpack_from(">H", content, at + 32)
    depths = [content[at + 34 + 3 * channel] for channel in range(channels)]
    return bottom - top, right - left, depths


def _decoded(path: Path) -> Pixels:
    try:
        import imagecodecs  # noqa: PLC0415 - only for what Pillow changes
    except ModuleNotFoundError as failure:
        raise MissingError(
            "the package imagecodecs is not installed",
            f"{path} has not 8 bits, which Pillow changes to 8",
            hint="pip install 'segpp[tiff]'",
        ) from failure
    return np.asarray(imagecodecs.jpeg2k_decode(path.read_bytes()))


CONTAINERS.register("JPEG 2000")(Container(lambda head: head.startswith((_BOXED, _BARE)), _read))
