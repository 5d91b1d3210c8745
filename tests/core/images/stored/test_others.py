"""Arrays, BMP, JPEG 2000 and WebP: what is written is what is read."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from segpp.images.stored import read_stored
from tests.core.images.stored.files import (
    EVERY,
    FLOATS,
    NUMBERS,
    SIDES,
    numbers,
    packed,
    read,
    same,
)


@EVERY
@given(st.data(), st.sampled_from([*NUMBERS, *FLOATS, np.bool_]), st.sampled_from("<>"))
def test_arrays(tmp_path: Path, data: Any, dtype: type, order: str) -> None:
    shape = data.draw(st.tuples(SIDES, SIDES) | st.tuples(SIDES, SIDES, st.integers(2, 9)))
    array = data.draw(arrays.arrays(np.dtype(dtype).newbyteorder(order), shape))
    buffer = io.BytesIO()
    np.save(buffer, np.asfortranarray(array) if data.draw(st.booleans()) else array)

    found = read(buffer.getvalue(), tmp_path)

    plain = array.astype(np.uint8 if dtype is np.bool_ else dtype)
    assert same(found.array, plain)


@EVERY
@given(st.data(), st.sampled_from([1, 4, 8]), st.booleans())
def test_bmp(tmp_path: Path, data: Any, bits: int, top_first: bool) -> None:  # noqa: FBT001 - drawn
    array = data.draw(st.composite(numbers)(bits))
    palette = data.draw(st.binary(min_size=3 << bits, max_size=3 << bits))
    rows = [row + b"\0" * (-len(row) % 4) for row in packed(array, bits)]
    colors = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    table = b"".join(bytes((*color[::-1], 0)) for color in colors.tolist())
    start = 14 + 40 + len(table)
    height = -array.shape[0] if top_first else array.shape[0]
    info = struct.pack("<IiiHHIIiiII", 40, array.shape[1], height, 1, bits, 0, 0, 0, 0, 0, 0)
    head = b"BM" + struct.pack("<IHHI", start, 0, 0, start)

    found = read(head + info + table + b"".join(rows if top_first else rows[::-1]), tmp_path)

    assert same(found.array, array)
    assert found.palette is not None
    assert (found.palette == colors).all()


@pytest.mark.parametrize("suffix", ["bmp", "png", "tif", "webp", "jp2", "ppm"])
def test_colours_are_kept_by_every_file_that_loses_nothing(tmp_path: Path, suffix: str) -> None:
    array = np.random.default_rng(0).integers(0, 256, (13, 11, 3), np.uint8)
    options: dict[str, Any] = {"webp": {"lossless": True}, "jp2": {"irreversible": False}}.get(
        suffix, {}
    )
    Image.fromarray(array).save(tmp_path / f"x.{suffix}", **options)

    assert same(read_stored(tmp_path / f"x.{suffix}").array, array)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 12), (np.uint16, 16)])
def test_jpeg_2000(tmp_path: Path, dtype: type, channels: int, bits: int) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    array = np.random.default_rng(0).integers(0, 1 << bits, (13, 11, channels)).astype(dtype)
    content = imagecodecs.jpeg2k_encode(array.squeeze(), reversible=True, bitspersample=bits)

    found = read(content, tmp_path)

    assert (found.array == array.squeeze()).all()
    assert found.bits == bits
