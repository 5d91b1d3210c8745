"""Pictures of what files store: colours, bands, pages, turned upright."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from segpp.errors import ImageError, InputError, MissingError
from segpp.images.channels import load_channels
from segpp.images.picture import check_bands, read_picture
from segpp.images.preprocess import load_image


def noise(*shape: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_bands_are_counted_from_1_in_the_order_that_is_named(tmp_path: Path, planar: str) -> None:
    image = noise(9, 7, 6)
    data = image if planar == "contig" else image.transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "x.tif", data, photometric="minisblack", planarconfig=planar)

    assert (load_channels(tmp_path / "x.tif", 3, bands=(6, 1, 3)) == image[:, :, [5, 0, 2]]).all()
    assert (load_channels(tmp_path / "x.tif", 6) == image).all()
    assert (load_channels(tmp_path / "x.tif", 3, bands=(2,)) == image[:, :, [1, 1, 1]]).all()
    with pytest.raises(ImageError, match=r"6 band\(s\), and no band 7"):
        load_channels(tmp_path / "x.tif", 3, bands=(1, 2, 7))
    with pytest.raises(ImageError, match=r"6 channels, and the network takes 3\n.*`bands=3,2,1`"):
        load_channels(tmp_path / "x.tif", 3)


@pytest.mark.parametrize("bands", [[], (0,), (1.5,), "321", (True,), (-1,), 3, (2000,)])
def test_other_bands_are_named(bands: Any) -> None:
    with pytest.raises(InputError, match="`bands` is"):
        check_bands(bands)


def test_what_lies_beside_red_green_and_blue_is_left_out(tmp_path: Path) -> None:
    image = noise(9, 7, 4)
    tifffile.imwrite(tmp_path / "x.tif", image, photometric="rgb", extrasamples=[0])

    assert (load_image(tmp_path / "x.tif") == image[:, :, :3]).all()


def test_three_bands_of_any_tiff_are_a_picture(tmp_path: Path) -> None:
    image = noise(9, 7, 3)
    full = image.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", full, photometric="minisblack", planarconfig="contig")
    tifffile.imwrite(tmp_path / "b.tif", image.transpose(2, 0, 1), photometric="minisblack",
                     metadata={"axes": "CYX"}, ome=True)  # fmt: skip

    assert (load_image(tmp_path / "a.tif") == image).all()
    assert (load_image(tmp_path / "b.tif") == image).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_tiffs_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    image = noise(8, 16, 3)
    tags = [(274, 3, 1, orientation, True)]
    tifffile.imwrite(tmp_path / "x.tif", image.astype(np.uint16) * 257, photometric="rgb",
                     extratags=tags)  # fmt: skip
    picture = Image.fromarray(image)
    picture.getexif()[274] = orientation

    assert (load_image(tmp_path / "x.tif") == np.asarray(ImageOps.exif_transpose(picture))).all()


def test_white_is_zero_and_few_bits_and_palettes_are_what_they_look_like(tmp_path: Path) -> None:
    grey = noise(9, 7)
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="miniswhite")
    Image.fromarray(grey).convert("1").save(tmp_path / "b.png")
    Image.fromarray(grey).convert("1").save(tmp_path / "b.pbm")
    palette = np.arange(768, dtype=np.uint16).reshape(3, 256) * 85
    tifffile.imwrite(tmp_path / "c.tif", grey, photometric="palette", colormap=palette)

    assert (load_image(tmp_path / "a.tif")[:, :, 0] == 255 - grey).all()
    assert (load_image(tmp_path / "b.png") == load_image(tmp_path / "b.pbm")).all()
    assert (load_image(tmp_path / "c.tif") == (palette >> 8).T[grey]).all()


@pytest.mark.parametrize("compression", [None, "jpeg"])
def test_other_colours_of_tiffs_become_rgb(tmp_path: Path, compression: str | None) -> None:
    image = Image.fromarray(noise(2, 2, 3)).resize((32, 32), Image.Resampling.NEAREST)
    mode = "RGB" if compression else "CMYK"
    image.convert(mode).save(tmp_path / "x.tif", compression=compression, quality=99)

    found = load_image(tmp_path / "x.tif").astype(int)

    # JPEG of quality 99 moves a flat square by little.
    assert np.abs(found - np.asarray(image).astype(int)).max() <= 12


def test_deep_cmyk_is_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((4, 4, 4), np.uint16), photometric="separated")

    with pytest.raises(ImageError, match="CMYK of 16 bits"):
        load_image(tmp_path / "x.tif")


def test_a_file_that_says_what_is_white_is_believed(tmp_path: Path) -> None:
    (tmp_path / "x.pgm").write_bytes(b"P5 3 1 1023\n" + np.array([0, 512, 1023], ">u2").tobytes())

    assert load_image(tmp_path / "x.pgm")[0, :, 0].tolist() == [0, 128, 255]
    assert load_image(tmp_path / "x.pgm", white=2046)[0, :, 0].tolist() == [0, 64, 128]


def test_colors_are_told_from_what_lies_behind(tmp_path: Path) -> None:
    Image.fromarray(noise(5, 5, 4), "RGBA").save(tmp_path / "a.png")
    Image.fromarray(noise(5, 5, 2), "LA").save(tmp_path / "b.png")

    assert [read_picture(tmp_path / name).colors for name in ("a.png", "b.png")] == [3, 1]


def test_pages_are_read_by_number(tmp_path: Path) -> None:
    pages = noise(3, 9, 7, 3)
    tifffile.imwrite(tmp_path / "x.tif", pages, photometric="rgb")

    assert (load_image(tmp_path / "x.tif", page=2) == pages[2]).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK"])
def test_a_board_without_tifffile_sees_what_pillow_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    Image.fromarray(noise(9, 7, 3)).convert(mode).save(tmp_path / "x.tif")
    whole = load_image(tmp_path / "x.tif")

    monkeypatch.setitem(sys.modules, "tifffile", None)

    assert (load_image(tmp_path / "x.tif") == whole).all()


def test_a_board_without_tifffile_is_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "x.tif", noise(9, 7, 3).astype(np.float32), photometric="rgb")
    monkeypatch.setitem(sys.modules, "tifffile", None)

    with pytest.raises(MissingError, match=r"segpp\[tiff\]"):
        load_image(tmp_path / "x.tif")


def test_inks_are_those_of_the_page_not_of_a_copy_before_it(tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs")
    inks = np.random.default_rng(0).integers(0, 256, (2, 8, 9, 4), np.uint8)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        # What a viewer shows while it reads: the same size, and 1 for "reduced".
        file.write(inks[0], photometric="separated", subfiletype=1, metadata=None)
        file.write(inks[1], photometric="separated", metadata=None)

    found = read_picture(tmp_path / "x.tif").pixels

    assert (found == np.array(Image.fromarray(inks[1], "CMYK").convert("RGB"))).all()


def test_damaged_inks_are_told(tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs")
    tifffile.imwrite(
        tmp_path / "x.tif", np.zeros((8, 9, 4), np.uint8), photometric="separated", metadata=None
    )
    whole = (tmp_path / "x.tif").read_bytes()
    random = np.random.default_rng(0)

    for _ in range(200):
        content = bytearray(whole)
        content[random.integers(4, 250)] = random.choice([0, 1, 255])
        (tmp_path / "x.tif").write_bytes(content)
        with suppress(ImageError):
            read_picture(tmp_path / "x.tif")
