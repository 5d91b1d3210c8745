"""BMP: numbers of a palette of 1, 2, 4 and 8 bits, which Pillow partly turns to grey; colours."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.images.stored.base import (
    CONTAINERS,
    Container,
    Pixels,
    Stored,
    check_page,
    check_size,
    extra_of,
    plain,
)

_FILE_HEADER = 14
_OS2_HEADER = 12
_PALETTES = {1, 2, 4, 8}
_BYTE = 8


def _read(path: Path, page: int) -> Stored:
    check_page(path, page, 1)
    content = path.read_bytes()
    header, width, height, bits, compression = _header(content)
    if bits in _PALETTES and compression == 0:
        check_size(path, (abs(height), width))
        palette = _palette(content, header, bits)
        return Stored(_numbers(content, width, height, bits), palette, bits=bits)
    with Image.open(path, formats=["BMP"]) as image:
        check_size(path, (image.height, image.width, 4))
        array, extra = plain(np.array(image)), extra_of(image.mode)
    return Stored(
        array, _palette(content, header, bits) if bits in _PALETTES else None, extra=extra
    )


def _header(content: bytes) -> tuple[int, int, int, int, int]:
    """Return the header's length, width, height (negative: top row first), bits, compression."""
    (length,) = struct.unpack_from("<I", content, _FILE_HEADER)
    if length == _OS2_HEADER:
        width, height, _, bits = struct.unpack_from("<HHHH", content, _FILE_HEADER + 4)
        return length, width, height, bits, 0
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", content, _FILE_HEADER + 4)
    return length, width, height, bits, compression


def _palette(content: bytes, header: int, bits: int) -> NDArray[np.uint8]:
    entry = 3 if header == _OS2_HEADER else 4
    count = 0 if header == _OS2_HEADER else struct.unpack_from("<I", content, _FILE_HEADER + 32)[0]
    count = count if 0 < count <= 1 << bits else 1 << bits
    (pixels,) = struct.unpack_from("<I", content, 10)
    start = _FILE_HEADER + header
    data = content[start : min(start + entry * count, pixels)]
    colors = np.frombuffer(data[: len(data) // entry * entry], np.uint8).reshape(-1, entry)
    return np.ascontiguousarray(colors[:, 2::-1])


def _numbers(content: bytes, width: int, height: int, bits: int) -> Pixels:
    (start,) = struct.unpack_from("<I", content, 10)
    row = (width * bits + 31) // 32 * 4
    data = content[start : start + row * abs(height)]
    if len(data) < row * abs(height):
        raise ValueError(f"it is cut short: {len(data):,} bytes of pixels")
    rows = np.frombuffer(data, np.uint8).reshape(abs(height), row)
    # The first pixel is in the highest bits.
    shifts = np.arange(_BYTE - bits, -1, -bits, dtype=np.uint8)
    numbers = (rows[:, :, None] >> shifts & np.uint8((1 << bits) - 1)).reshape(abs(height), -1)
    return np.ascontiguousarray(numbers[:: 1 if height < 0 else -1, :width])


CONTAINERS.register("BMP")(Container(lambda head: head.startswith(b"BM"), _read))
