"""Segments of a TIFF that are pictures of their own: their sizes, and what they may promise."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from segpp.errors import ImageError
from segpp.images.mosaic import open_mosaic
from segpp.images.stored import read_stored
from segpp.images.stored._tiffs.segments import size_in
from tests.core.images.stored.test_mosaic import SPEC

# TIFF's number, and what packs a segment.
PACKERS: dict[str, tuple[int, Callable[..., bytes]]] = {
    "JPEG": (7, imagecodecs.jpeg8_encode),
    "PNG": (34933, imagecodecs.png_encode),
    "JPEG 2000": (34712, imagecodecs.jpeg2k_encode),
    "JPEG XR": (34934, imagecodecs.jpegxr_encode),
    "JPEG XL": (50002, imagecodecs.jpegxl_encode),
    "JPEG XL in boxes": (52546, partial(imagecodecs.jpegxl_encode, usecontainer=True)),
    "WebP": (50001, partial(imagecodecs.webp_encode, level=50)),
    "WebP without loss": (34927, partial(imagecodecs.webp_encode, lossless=True)),
    "LERC": (34887, imagecodecs.lerc_encode),
    "deflated LERC": (34887, partial(imagecodecs.lerc_encode, compression="deflate")),
    "LERC in zstd": (34887, partial(imagecodecs.lerc_encode, compression="zstd")),
}
SIZES = ((1, 17), (8, 8), (64, 48), (160, 90), (97, 1030))


@pytest.mark.parametrize("kind", PACKERS)
def test_the_size_is_what_was_packed(kind: str) -> None:
    compression, packer = PACKERS[kind]
    random = np.random.default_rng(0)

    for height, width in SIZES:
        pixels = random.integers(0, 256, (height, width, 3), np.uint8)
        tall = 3 * height if compression == 34887 else height
        assert size_in(packer(pixels), compression, 1 << 20) == (tall, width)


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("kind", PACKERS)
def test_a_segment_larger_than_the_page_says_is_not_unpacked(
    tmp_path: Path, kind: str, *, tiled: bool
) -> None:
    path = with_segment(tmp_path / "x.tif", *PACKERS[kind], (512, 256), tiled=tiled)

    with pytest.raises(ImageError, match="damaged"):
        read_stored(path)
    with open_mosaic(path, SPEC) as mosaic, pytest.raises(ImageError, match="damaged"):
        mosaic[0:64, 0:64]


def test_what_fits_in_number_alone_is_not_put_together(tmp_path: Path) -> None:
    # 32x128 has as many pixels as 64x64, and would come out as a scrambled picture.
    path = with_segment(tmp_path / "x.tif", *PACKERS["PNG"], (32, 128), tiled=False)

    with pytest.raises(ImageError, match="a part of it is 32x128, not 64x64"):
        read_stored(path)


def test_lerc_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    one = imagecodecs.lerc_encode(np.zeros((64, 64, 3), np.uint8))

    for packed in (imagecodecs.zlib_encode, imagecodecs.zstd_encode):
        path = with_segment(
            tmp_path / "x.tif", 34887, lambda _, p=packed: p(one + bytes(64 << 20)), (64, 64)
        )
        with pytest.raises(ImageError, match="damaged"):
            read_stored(path)


@pytest.mark.parametrize("compression", ["jpeg", "jpegxl", "jpegxr", "webp", "lerc", "jpeg2000"])
def test_whole_pages_of_the_kinds_are_read(tmp_path: Path, compression: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (70, 50, 3), np.uint8)
    for name, layout in (("a.tif", {"tile": (32, 32)}), ("b.tif", {"rowsperstrip": 16})):
        tifffile.imwrite(
            tmp_path / name, pixels, photometric="rgb", compression=compression, **layout
        )

        found = read_stored(tmp_path / name).array
        with open_mosaic(tmp_path / name, SPEC) as mosaic:
            assert (mosaic[0:70, 0:50] == found).all()


def with_segment(
    path: Path,
    compression: int,
    packer: Callable[..., bytes],
    size: tuple[int, int],
    *,
    tiled: bool = False,
) -> Path:
    """Write a TIFF of 64x64 whose only segment is a picture of another size."""
    layout = {"tile": (64, 64)} if tiled else {"rowsperstrip": 64}
    tifffile.imwrite(path, np.zeros((64, 64, 3), np.uint8), photometric="rgb", **layout)
    segment = packer(np.zeros((*size, 3), np.uint8))
    place = path.stat().st_size
    with path.open("ab") as file:
        file.write(segment)
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages[0].tags
        kind = "Tile" if tiled else "Strip"
        tags["Compression"].overwrite(compression)
        tags[f"{kind}Offsets"].overwrite(place)
        tags[f"{kind}ByteCounts"].overwrite(len(segment))
    return path
