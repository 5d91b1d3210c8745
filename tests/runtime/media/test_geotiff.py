"""Masks as TIFF, and where on Earth they lie."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segpp.runtime.media.geotiff import write_mask
from segpp.utils.overwrite import is_own

PALETTE = ((128, 64, 128), (0, 255, 0), (1, 2, 3))
# What GDAL writes for a picture in UTM zone 33.
PLACE: list[tuple[int, int, int, Any, bool]] = [
    (33550, 12, 3, (0.5, 0.5, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 390000.0, 5820000.0, 0.0), True),
    (34735, 3, 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633), True),
    (34736, 12, 2, (6378137.0, 298.257223563), True),
    (34737, 2, 0, "WGS 84 / UTM zone 33N|WGS 84|", True),
]


def source(path: Path, nodata: str) -> Path:
    tags = [*PLACE, (42113, 2, 0, nodata, True)]
    tifffile.imwrite(path, np.zeros((9, 7), np.uint8), extratags=tags, metadata=None)
    return path


def tags_in(path: Path) -> dict[int, Any]:
    with tifffile.TiffFile(path) as file:
        return {tag.code: tag.value for tag in file.pages[0].tags}


@pytest.mark.parametrize("size", [(1, 1), (256, 256), (300, 700), (513, 5)])
def test_a_mask_has_its_numbers_and_the_palette(tmp_path: Path, size: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).integers(0, 3, size, np.uint8)
    parts = np.array_split(mask, min(7, size[0]))

    write_mask(tmp_path / "m.tif", parts, size, PALETTE, source=source(tmp_path / "s.tif", "255"))

    with tifffile.TiffFile(tmp_path / "m.tif") as file:
        assert (file.pages[0].asarray() == mask).all()
        assert file.pages[0].colormap.T[:3].tolist() == [[v * 257 for v in c] for c in PALETTE]
    assert is_own(tmp_path / "m.tif", "picture")
    assert not is_own(tmp_path / "s.tif", "picture")


@pytest.mark.parametrize(("nodata", "kept"), [("255", True), ("-9999", True), ("0", False)])
def test_its_place_on_earth_is_that_of_the_source(tmp_path: Path, nodata: str, kept: bool) -> None:  # noqa: FBT001 - a case
    path = source(tmp_path / "s.tif", nodata)

    write_mask(tmp_path / "m.tif", [np.zeros((9, 7), np.uint8)], (9, 7), PALETTE, source=path)

    found = tags_in(tmp_path / "m.tif")
    assert {code: found[code] for code, *_ in PLACE} == {
        code: value for code, _, _, value, _ in PLACE
    }
    # Of a class all pixels would vanish.
    assert (found.get(42113) == nodata) is kept


def test_more_classes_than_a_palette_has_are_16_bits(tmp_path: Path) -> None:
    mask = np.array([[299, 0]], np.int32)
    palette = tuple((number % 256, 0, 0) for number in range(300))

    write_mask(tmp_path / "m.tif", [mask], (1, 2), palette, source=source(tmp_path / "s.tif", "x"))

    assert tifffile.imread(tmp_path / "m.tif").tolist() == [[299, 0]]


def test_a_damaged_place_is_left_out(tmp_path: Path) -> None:
    odd = [(33550, 12, 1, (0.5,), True), (33922, 3, 1, (7,), True), (34735, 2, 0, "x", True)]
    tifffile.imwrite(
        tmp_path / "s.tif",
        np.zeros((9, 7), np.uint8),
        extratags=[*odd, (42113, 3, 2, (1, 2), True)],
        metadata=None,
    )

    write_mask(
        tmp_path / "m.tif",
        [np.zeros((9, 7), np.uint8)],
        (9, 7),
        PALETTE,
        source=tmp_path / "s.tif",
    )

    assert not {33550, 33922, 42113} & tags_in(tmp_path / "m.tif").keys()


def test_a_picture_that_is_turned_gives_its_mask_no_place(tmp_path: Path) -> None:
    tags = [*PLACE, (274, 3, 1, 6, True)]
    tifffile.imwrite(tmp_path / "s.tif", np.zeros((9, 7), np.uint8), extratags=tags, metadata=None)

    write_mask(
        tmp_path / "m.tif", [np.zeros((7, 9), np.uint8)], (7, 9), PALETTE,
        source=tmp_path / "s.tif",
    )  # fmt: skip

    assert not {code for code, *_ in PLACE} & tags_in(tmp_path / "m.tif").keys()
