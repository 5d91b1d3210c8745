"""TIFFs by windows: what is read of a part is that part of what is read of the whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segpp.errors import ImageError, PictureWarning
from segpp.images.channels import load_for
from segpp.images.mosaic import open_mosaic
from segpp.manifest import InputSpec

SPEC = InputSpec("image", (1, 3, 8, 8), "float32", "NCHW", "RGB", (0.0,) * 3, (1.0,) * 3)
SHAPE = (83, 67)

LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {"rowsperstrip": 7},
    "deflated strips": {"rowsperstrip": 7, "compression": "zlib", "predictor": True},
    "tiles": {"tile": (32, 16)},
    "tiles of BigTIFF": {"tile": (16, 16), "bigtiff": True, "compression": "lzw"},
    "separate planes": {"planarconfig": "separate", "tile": (16, 32), "compression": "zlib"},
    "big-endian": {"byteorder": ">", "rowsperstrip": 5},
}


def saved(path: Path, array: np.ndarray, **given: Any) -> Path:
    options = dict(given)
    planar = options.pop("planarconfig", "contig")
    data = array.transpose(2, 0, 1) if planar == "separate" else array
    tifffile.imwrite(path, data, photometric="minisblack", planarconfig=planar, **options)
    return path


def noise(dtype: type, channels: int, most: int = 255) -> np.ndarray:
    return np.random.default_rng(0).integers(0, most + 1, (*SHAPE, channels)).astype(dtype)


def windows() -> list[tuple[slice, slice]]:
    return [
        (slice(y, min(y + 31, SHAPE[0])), slice(x, min(x + 29, SHAPE[1])))
        for y in range(0, SHAPE[0], 20)
        for x in range(0, SHAPE[1], 19)
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("dtype", "most", "spec"),
    [
        (np.uint8, 255, SPEC),
        (np.uint8, 255, replace(SPEC, bands=(3, 1, 2))),
        (np.uint16, 3900, replace(SPEC, white="auto")),
        (np.uint16, 65535, replace(SPEC, bands=(2,))),
        (np.int16, 9000, replace(SPEC, white="8000")),
        (np.int16, 9000, replace(SPEC, white="auto")),
        (np.int8, 90, replace(SPEC, white="auto", bands=(2, 3, 1))),
        (np.uint32, 70_000, replace(SPEC, white="auto")),
        (np.float32, 9000, replace(SPEC, white="auto", bands=(3, 2, 1))),
        (np.float64, 1, replace(SPEC, white="auto")),
    ],
)
def test_a_window_is_a_part_of_the_whole(
    tmp_path: Path, layout: str, dtype: type, most: int, spec: InputSpec
) -> None:
    path = saved(tmp_path / "x.tif", noise(dtype, 3, most), **LAYOUTS[layout])
    whole = load_for(path, spec)

    with open_mosaic(path, spec) as mosaic:
        assert mosaic.shape == whole.shape
        assert all((mosaic[window] == whole[window]).all() for window in windows())


def test_palettes_and_parts_that_were_never_written(tmp_path: Path) -> None:
    grey = noise(np.uint8, 1)[:, :, 0]
    colors = np.arange(768, dtype=np.uint16).reshape(3, 256) * 85
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="palette", colormap=colors)
    grey[:32] = 0
    tifffile.imwrite(tmp_path / "b.tif", grey, photometric="miniswhite", tile=(32, 32))
    with tifffile.TiffFile(tmp_path / "b.tif", mode="r+") as file:
        tag = file.pages[0].tags["TileByteCounts"]
        tag.overwrite([0, 0, 0, *tag.value[3:]])

    for name in ("a.tif", "b.tif"):
        whole = load_for(tmp_path / name, SPEC)
        with open_mosaic(tmp_path / name, SPEC) as mosaic:
            assert all((mosaic[window] == whole[window]).all() for window in windows())


def test_a_dark_mosaic_is_warned_about_once_at_its_end(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.tif", noise(np.uint16, 3, 4000), tile=(16, 16))

    def read_all() -> None:
        with open_mosaic(path, SPEC) as mosaic:
            for window in windows():
                mosaic[window]

    with pytest.warns(PictureWarning, match="nearly black") as told:
        read_all()

    assert len(told) == 1


def test_what_cannot_be_read_by_windows_is_told(tmp_path: Path) -> None:
    turned = saved(tmp_path / "t.tif", noise(np.uint8, 3), extratags=[(274, 3, 1, 6, True)])
    cut = tmp_path / "c.tif"
    cut.write_bytes(saved(tmp_path / "w.tif", noise(np.uint8, 3)).read_bytes()[:-900])

    channels = tmp_path / "p.tif"
    planes = noise(np.uint8, 3).transpose(2, 0, 1)
    tifffile.imwrite(channels, planes, photometric="minisblack", metadata={"axes": "CYX"})

    with pytest.raises(ImageError, match=r"turned \(orientation 6\), which.*\n.*name a \.png"):
        open_mosaic(turned, SPEC)
    with pytest.raises(ImageError, match=r"3 pages, and one is read.*\n.*name a \.png"):
        open_mosaic(channels, SPEC)
    with pytest.raises(ImageError, match="cut short"):
        open_mosaic(cut, SPEC)


@pytest.mark.parametrize("layout", [{}, {"tile": (16, 32), "compression": "lzw"}])
def test_inks_are_read_by_windows(tmp_path: Path, layout: dict[str, Any]) -> None:
    tifffile.imwrite(tmp_path / "x.tif", noise(np.uint8, 4), photometric="separated", **layout)
    whole = load_for(tmp_path / "x.tif", SPEC)

    with open_mosaic(tmp_path / "x.tif", SPEC) as mosaic:
        assert all((mosaic[window] == whole[window]).all() for window in windows())


def test_darkness_is_judged_by_the_bands_that_are_taken(tmp_path: Path) -> None:
    dark = noise(np.uint16, 4, 4000)
    dark[:, :, 3] = 65535
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, dark, photometric="rgb", extrasamples=["unassalpha"])

    for bands in (None, (3, 2, 1)):
        with (
            pytest.warns(PictureWarning, match="nearly black"),
            open_mosaic(path, replace(SPEC, bands=bands)) as mosaic,
        ):
            mosaic[0:9, 0:9]


def test_a_band_that_is_not_there_is_told_before_the_white_is_counted(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.tif", noise(np.uint16, 3))

    with pytest.raises(ImageError, match=r"has 3 band\(s\), and no band 7"):
        open_mosaic(path, replace(SPEC, white="auto", bands=(7, 1, 2)))


@pytest.mark.filterwarnings("ignore::segpp.errors.PictureWarning")
def test_damaged_files_raise_nothing_but_our_errors(tmp_path: Path) -> None:
    whole = saved(tmp_path / "x.tif", noise(np.uint16, 3), tile=(16, 16)).read_bytes()
    random = np.random.default_rng(0)
    path = tmp_path / "y.tif"

    for turn in range(300):
        content = bytearray(whole)
        for at in random.integers(4, 330, 2):
            content[at] = random.choice([0, 1, 255])
        path.write_bytes(content)
        try:
            with open_mosaic(path, replace(SPEC, white=[None, "auto"][turn % 2])) as mosaic:
                mosaic[0 : min(30, mosaic.shape[0]), 0 : min(30, mosaic.shape[1])]
        except ImageError:
            continue


def test_what_was_passed_is_not_kept(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.tif", noise(np.uint8, 3), rowsperstrip=4, compression="zlib")

    with open_mosaic(path, SPEC) as mosaic:
        for top in range(0, SHAPE[0], 8):
            mosaic[top : top + 8, 0:10]
            assert len(mosaic._parts) <= 3
