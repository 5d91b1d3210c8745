"""Images of more or fewer channels than three, from files as they are written."""

from importlib.util import find_spec
from pathlib import Path
from struct import pack

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import ImageError, MissingError
from segpp.images.channels import as_rgb, load_channels, to_gray
from segpp.images.preprocess import load_image


def pixels(channels: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (9, 7, channels), np.uint8)


def save_tiff(path: Path, image: NDArray[np.uint8]) -> Path:
    """Write bands of 8 bits, pixel by pixel and uncompressed; Pillow writes four at most."""
    height, width, bands = image.shape
    data, bits = image.tobytes(), pack(f"<{bands}H", *[8] * bands)
    short, long = 3, 4
    entries = [
        (256, short, 1, width),
        (257, short, 1, height),
        (258, short, bands, 8 + len(data)),
        (259, short, 1, 1),
        (262, short, 1, 1),
        (273, long, 1, 8),
        (277, short, 1, bands),
        (278, short, 1, height),
        (279, long, 1, len(data)),
        (338, short, bands - 1, 8 + len(data)),
    ]
    table = b"".join(pack("<HHII", *entry) for entry in entries)
    start = 8 + len(data) + len(bits)
    head = b"II*\0" + pack("<I", start)
    path.write_bytes(head + data + bits + pack("<H", len(entries)) + table + pack("<I", 0))
    return path


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 9, 12])
def test_arrays_of_any_channels_are_read(tmp_path: Path, channels: int) -> None:
    np.save(tmp_path / "x.npy", pixels(channels))

    assert (load_channels(tmp_path / "x.npy", channels) == pixels(channels)).all()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_four_channels_of_an_image_are_kept_as_they_are(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    Image.fromarray(pixels(4), "RGBA").save(path)

    assert (load_channels(path, 4) == pixels(4)).all()
    assert load_channels(path, 3).shape == (9, 7, 3)


def test_bands_of_a_tiff_are_read_or_the_package_that_does_is_named(tmp_path: Path) -> None:
    path = save_tiff(tmp_path / "x.tif", pixels(5))

    if find_spec("tifffile"):
        assert (load_channels(path, 5) == pixels(5)).all()
    else:
        with pytest.raises(MissingError, match=r"tifffile(.|\n)*segpp\[tiff\]"):
            load_channels(path, 5)


def test_grey_networks_take_pictures_in_colour_and_in_grey(tmp_path: Path) -> None:
    color, gray = pixels(3), pixels(1)
    Image.fromarray(color).save(tmp_path / "color.png")
    Image.fromarray(gray[:, :, 0]).save(tmp_path / "gray.png")

    luma = color.astype(np.float64) @ [0.299, 0.587, 0.114]
    assert np.abs(load_channels(tmp_path / "color.png", 1)[:, :, 0] - luma).max() <= 1
    assert (load_channels(tmp_path / "gray.png", 1) == gray).all()
    assert (to_gray(load_image(tmp_path / "gray.png")) == gray).all()


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((4, 4, 5), np.uint8), "has 5 channels, and the network takes 4"),
        (np.zeros((4, 4, 4), np.complex64), r"holds complex64 \(4, 4, 4\)"),
        (np.full((4, 4, 4), 2.0, np.float32), r"holds floats from 2 to 2(.|\n)*`white=2`"),
        (np.zeros((2, 4, 4, 4), np.uint8), r"holds uint8 \(2, 4, 4, 4\)"),
        (np.array([{}], object), "no array of numpy, or damaged"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, array: NDArray[np.generic], says: str) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)

    with pytest.raises(ImageError, match=says):
        load_channels(tmp_path / "x.npy", 4)


def test_a_picture_of_too_few_channels_is_told_with_the_way_out(tmp_path: Path) -> None:
    Image.fromarray(pixels(3)).save(tmp_path / "x.png")

    with pytest.raises(ImageError, match=r"has 3 channels, and the network takes 4\n.*\.npy"):
        load_channels(tmp_path / "x.png", 4)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_there_is_always_something_to_look_at(channels: int) -> None:
    shown = as_rgb(pixels(channels))

    assert shown.shape == (9, 7, 3)
    assert (shown[..., 0] == pixels(channels)[..., 0]).all()
