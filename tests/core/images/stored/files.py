"""Files written by hand, sample by sample, and how they are read back."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from segpp.images.stored import Stored, read_stored

Array = NDArray[Any]


EVERY = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


SIDES = st.integers(1, 19)


ADOBE_DEFLATE = 8


def read(content: bytes, tmp_path: Path, page: int = 0) -> Stored:
    path = tmp_path / "x"
    path.write_bytes(content)
    return read_stored(path, page=page)


def numbers(draw: st.DrawFn, bits: int, channels: int = 1, dtype: type = np.uint8) -> Array:
    """Draw (H, W) or (H, W, C) of so many bits."""
    shape = (draw(SIDES), draw(SIDES), *([channels] if channels > 1 else []))
    return draw(arrays.arrays(dtype, shape, elements=st.integers(0, (1 << bits) - 1)))


def same(found: Array, expected: Array) -> bool:
    return found.dtype == expected.dtype and np.array_equal(
        found, expected, equal_nan=expected.dtype.kind == "f"
    )


def packed(rows: Array, bits: int) -> list[bytes]:
    """Return rows of samples (H, N) as bytes, the first in the highest bits."""
    if bits == 16:
        return [row.astype(">u2").tobytes() for row in rows]
    shifts = np.arange(bits - 1, -1, -1)
    return [np.packbits(((row[:, None] >> shifts) & 1).reshape(-1)).tobytes() for row in rows]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]


def png(array: Array, bits: int, kind: int, palette: bytes = b"", *, interlaced: bool) -> bytes:
    """Write a PNG by hand (ISO 15948), unfiltered: no library writes all of them."""
    planes = array if array.ndim == 3 else array[:, :, None]
    passes = [planes]
    if interlaced:
        passes = [planes[y::dy, x::dx] for y, x, dy, dx in [*ADAM7, (1, 0, 2, 1)]]
    rows = [row for p in passes if p.size for row in packed(p.reshape(len(p), -1), bits)]
    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], bits, kind, 0, 0, interlaced)
    parts = [chunk(b"IHDR", header), chunk(b"PLTE", palette) if palette else b""]
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + data + chunk(b"IEND", b"")


NUMBERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64]


FLOATS = [np.float16, np.float32, np.float64]


def bit_tiff(array: Array, bits: int, kind: int, palette: Array | None, *, deflated: bool) -> bytes:
    """Write a TIFF of one strip by hand (TIFF 6.0): tifffile writes whole bytes only."""
    shifts = np.arange(bits - 1, -1, -1)
    rows = ((array[..., None] >> shifts) & 1).reshape(len(array), -1)
    data = b"".join(np.packbits(row).tobytes() for row in rows)
    data = zlib.compress(data) if deflated else data
    data += b"\0" * (len(data) % 2)
    colors = b"" if palette is None else palette.astype("<u2").tobytes()
    short, long = 3, 4
    tags = [
        (256, short, 1, array.shape[1]),
        (257, short, 1, array.shape[0]),
        (258, short, 1, bits),
        (259, short, 1, ADOBE_DEFLATE if deflated else 1),
        (262, short, 1, kind),
        (273, long, 1, 8),
        (277, short, 1, 1),
        (278, short, 1, array.shape[0]),
        (279, long, 1, len(data)),
        *([(320, short, len(colors) // 2, 8 + len(data))] if colors else []),
    ]
    table = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    start = 8 + len(data) + len(colors)
    head = b"II*\0" + struct.pack("<I", start)
    return head + data + colors + struct.pack("<H", len(tags)) + table + struct.pack("<I", 0)


def lzw(frame: Array) -> bytes:
    """Return GIF's code blocks, never longer than 9 bits: a table begun anew often enough."""
    codes = [
        code
        for start in range(0, frame.size, 200)
        for code in (256, *frame.reshape(-1)[start : start + 200].tolist())
    ]
    bits = "".join(f"{code:09b}"[::-1] for code in (*codes, 257))
    bits += "0" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    blocks = [data[at : at + 255] for at in range(0, len(data), 255)]
    return b"\x08" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
