"""PNG: every depth and colour type as the file has it; Pillow alone stretches and halves some.

Grey of 2 and 4 bits becomes 0 to 255 there: the file is shown to it as one of palette numbers.
Colours of 16 bits lose their low byte: they are decoded twice, and the second time for that byte.
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import ImageError
from segpp.images.stored.base import (
    CONTAINERS,
    Container,
    Pixels,
    Stored,
    check_page,
    check_size,
    orientation_of,
    plain,
)

_START = b"\x89PNG\r\n\x1a\n"
_HEADER = slice(16, 29)  # what IHDR holds: width, height, depth, colour type and three more
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGBA: 4}
_WITH_ALPHA = {2, 4}
_DEEP = 16
_ANIMATION, _SEARCHED_BYTES = b"acTL", 1 << 16
_STRETCHED = {2, 4}


def _read(path: Path, page: int) -> Stored:
    height, width, bits, kind = _header(path)
    check_size(path, (height, width, _CHANNELS[kind]), 2 if bits == _DEEP else 1)
    if kind == _GREY and bits in _STRETCHED:
        check_page(path, page, 1)
        with Image.open(io.BytesIO(_as_numbers(path.read_bytes())), formats=["PNG"]) as image:
            return Stored(np.array(image), bits=bits, orientation=orientation_of(image))
    with Image.open(path, formats=["PNG"]) as image:
        pages = int(getattr(image, "n_frames", 1))
        check_page(path, page, pages)
        palette = _palette(image)
        if page:
            _turn_to(image, page, bits, path)
        if bits == _DEEP and kind != _GREY:
            array = _deep(path, image, kind)
        else:
            array = plain(np.array(image))
        extra = 1 if array.ndim > 2 and array.shape[2] in _WITH_ALPHA else 0  # noqa: PLR2004 - (H, W)
        turn = orientation_of(image)
        return Stored(array, palette, bits=bits, pages=pages, extra=extra, orientation=turn)


def _count(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(_SEARCHED_BYTES)
    # It stands in front of the pixels; other chunks between are small.
    if _ANIMATION not in head.partition(b"IDAT")[0]:
        return 1
    with Image.open(path, formats=["PNG"]) as image:
        return int(getattr(image, "n_frames", 1))


def _header(path: Path) -> tuple[int, int, int, int]:
    with path.open("rb") as file:
        start = file.read(_HEADER.stop)
    width, height, bits, kind = struct.unpack(">IIBB", start[_HEADER][:10])
    if kind not in _CHANNELS:
        raise ImageError(f"{path} is damaged", f"colour type {kind}, which PNG does not have")
    return height, width, bits, kind


def _palette(image: Image.Image) -> NDArray[np.uint8] | None:
    if image.mode != "P" or image.palette is None:
        return None
    return np.frombuffer(image.palette.getdata()[1], np.uint8).reshape(-1, 3)


def _turn_to(image: Image.Image, page: int, bits: int, path: Path) -> None:
    if bits == _DEEP:
        raise ImageError(f"{path} is an animation of 16 bits", "its first frame alone is read")
    image.seek(page)


def _as_numbers(content: bytes) -> bytes:
    """Return a grey PNG as one whose pixels are numbers of a palette: the same bits."""
    header = bytearray(content[_HEADER])
    header[9] = _PALETTE
    palette = bytes(3 * (1 << header[8]))
    return b"".join(
        (_START, _chunk(b"IHDR", bytes(header)), _chunk(b"PLTE", palette), content[33:])
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    code = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + code


def _deep(path: Path, image: Image.Image, kind: int) -> Pixels:
    if kind == _GREY_ALPHA:
        # Four bytes a pixel, and Pillow has no word for them but RGBA.
        pairs: Pixels = _decoded(image, "RGBA").view(">u2").astype(np.uint16)
        return pairs
    mode = image.mode
    high = _decoded(image, f"{mode};16B").astype(np.uint16)
    with Image.open(path, formats=["PNG"]) as again:
        # "Little-endian" takes the second byte of two.
        both: Pixels = high << np.uint16(8) | _decoded(again, f"{mode};16L")
        return both


def _decoded(image: Image.Image, raw: str) -> Pixels:
    name, box, offset, _ = image.tile[0]  # type: ignore[attr-defined]
    image.tile = [(name, box, offset, raw)]  # type: ignore[attr-defined]
    return np.array(image)


CONTAINERS.register("PNG")(Container(lambda head: head.startswith(_START), _read, _count))
