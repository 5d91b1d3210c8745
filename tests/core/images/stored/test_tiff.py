"""TIFF: what is written is what is read, of every type, layout and compression."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segpp.errors import ImageError, MissingError
from segpp.images.stored import read_stored
from segpp.images.stored._tiffs.by_pillow import read_by_pillow
from tests.core.images.stored.files import (
    EVERY,
    FLOATS,
    NUMBERS,
    SIDES,
    Array,
    bit_tiff,
    numbers,
    read,
    same,
)

# What tifffile writes differences of.
_LONG, _PREDICTED = (np.uint64, np.int64), ("zlib", "lzw", "zstd")


@st.composite
def tiff_cases(draw: st.DrawFn) -> tuple[Array, dict[str, Any]]:
    dtype = draw(st.sampled_from([*NUMBERS, *FLOATS]))
    channels = draw(st.integers(1, 6))
    separate = channels > 1 and draw(st.booleans())
    sides = draw(SIDES), draw(SIDES)
    shape = (channels, *sides) if separate else (*sides, *([channels] if channels > 1 else []))
    array = draw(arrays.arrays(dtype, shape))
    photometric = (
        "minisblack" if channels > 1 else draw(st.sampled_from(["minisblack", "miniswhite"]))
    )
    compression = draw(st.sampled_from([None, "zlib", "lzw", "packbits", "zstd", "lzma"]))
    options = {
        "photometric": photometric,
        "planarconfig": ("separate" if separate else "contig") if channels > 1 else None,
        "compression": compression,
        "predictor": dtype not in _LONG and compression in _PREDICTED and draw(st.booleans()),
        "tile": draw(st.sampled_from([None, (16, 16)])),
        "bigtiff": draw(st.booleans()),
        "byteorder": draw(st.sampled_from("<>")),
        "metadata": None,
    }
    return array, options


@settings(EVERY, max_examples=150)
@given(tiff_cases())
def test_tiff(tmp_path: Path, case: tuple[Array, dict[str, Any]]) -> None:
    array, options = case
    tifffile.imwrite(tmp_path / "x", array, **options)
    expected = array.transpose(1, 2, 0) if options["planarconfig"] == "separate" else array

    found = read_stored(tmp_path / "x")

    assert same(found.array, expected)
    assert found.white_is_zero == (options["photometric"] == "miniswhite")
    assert (found.bits, found.pages) == (8 * array.itemsize, 1)


@EVERY
@given(st.data(), st.sampled_from([1, 2, 4, 12]), st.sampled_from([0, 1, 3]), st.booleans())
def test_tiffs_of_packed_samples(
    tmp_path: Path,
    data: Any,
    bits: int,
    photometric: int,
    deflated: bool,  # noqa: FBT001 - drawn
) -> None:
    array = data.draw(st.composite(numbers)(bits, 1, np.uint16 if bits > 8 else np.uint8))
    colors = np.arange(3 << bits, dtype=np.uint16).reshape(3, -1) << 8 if bits < 8 else None
    palette = colors if photometric == 3 else None
    kind = 1 if photometric == 3 and palette is None else photometric

    found = read(bit_tiff(array, bits, kind, palette, deflated=deflated), tmp_path)

    assert same(found.array, array)
    assert (found.bits, found.white_is_zero) == (bits, kind == 0)
    assert (found.palette is None) == (palette is None)
    if found.palette is not None and palette is not None:
        assert (found.palette == (palette >> 8).T).all()


@pytest.mark.parametrize("compression", ["jpegxl", "webp", "png", "jpeg2000", "lerc"])
def test_tiffs_of_compressed_pictures(tmp_path: Path, compression: str) -> None:
    array = np.random.default_rng(0).integers(0, 256, (21, 17, 3), np.uint8)
    options = {"compressionargs": {"lossless": True}} if compression in {"webp", "jpegxl"} else {}
    tifffile.imwrite(tmp_path / "x", array, photometric="rgb", compression=compression, **options)

    assert same(read_stored(tmp_path / "x").array, array)


@pytest.mark.parametrize("form", [{"ome": True}, {"imagej": True}, {}])
def test_channels_in_pages_of_their_own_are_one_picture(
    tmp_path: Path, form: dict[str, Any]
) -> None:
    array = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 7), np.uint8)
    axes = {"metadata": {"axes": "TCYX"}}
    tifffile.imwrite(tmp_path / "x", array, photometric="minisblack", **axes, **form)

    found = read_stored(tmp_path / "x", page=1)

    assert same(found.array, array[1].transpose(1, 2, 0))
    assert found.pages == 2


def test_pages_without_a_word_on_channels_are_pages(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (3, 9, 7), np.uint8)
    tifffile.imwrite(tmp_path / "x", array, photometric="minisblack")

    found = [read_stored(tmp_path / "x", page=page) for page in range(3)]

    assert all(same(one.array, page) for one, page in zip(found, array, strict=True))
    with pytest.raises(ImageError, match="has 3 pages, and no page 4"):
        read_stored(tmp_path / "x", page=3)


def test_reduced_copies_are_no_pages(tmp_path: Path) -> None:
    array = np.zeros((32, 32), np.uint8)
    with tifffile.TiffWriter(tmp_path / "x") as file:
        file.write(array)
        file.write(array[::2, ::2], subfiletype=1)

    assert read_stored(tmp_path / "x").pages == 1


@pytest.mark.parametrize(
    ("dtype", "channels", "photometric"),
    [(np.uint8, 1, 1), (np.uint8, 1, 0), (np.uint8, 3, 2), (np.uint16, 1, 1)],
)
def test_without_tifffile_pillow_reads_what_it_does_not_change(
    tmp_path: Path, dtype: type, channels: int, photometric: int
) -> None:
    shape = (9, 7, channels) if channels > 1 else (9, 7)
    array = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
    tifffile.imwrite(tmp_path / "x", array, photometric=photometric)

    found = read_by_pillow(tmp_path / "x", 0)

    assert same(found.array, array)
    assert (found.white_is_zero, found.bits) == (photometric == 0, 8 * array.itemsize)


@pytest.mark.parametrize("array", [np.zeros((9, 7), np.int16), np.zeros((9, 7, 3), np.uint16)])
def test_without_tifffile_the_package_is_named_for_the_others(tmp_path: Path, array: Array) -> None:
    tifffile.imwrite(tmp_path / "x", array)

    with pytest.raises(MissingError, match=r"segpp\[tiff\]"):
        read_by_pillow(tmp_path / "x", 0)


@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_stack_that_breaks_off_is_damaged_not_shorter(tmp_path: Path, *, bigtiff: bool) -> None:
    path = tmp_path / "x.tif"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as file:
        for _ in range(3):
            file.write(np.zeros((8, 9, 3), np.uint8), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path) as file:
        last = file.pages[2].offset
    path.write_bytes(path.read_bytes()[:last])

    for page in (0, 1):
        with pytest.raises(ImageError, match=r"what follows page 2, at .*, is no page"):
            read_stored(path, page=page)
