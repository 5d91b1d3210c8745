"""Images of as many channels as a network takes: grey, colour, or bands beside the colours.

    .npy            uint8 (H, W, C), as numpy saves it
    TIFF            any number of bands of 8 bits; more than Pillow reads by the package tifffile
    other formats   1 to 4 channels as the file has them

A network of one channel takes pictures in colour too: by their luma, as Pillow and OpenCV do.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import ImageError, MissingError
from segpp.images.preprocess import IMAGE_DIMENSIONS, ImageArray, load_image
from segpp.utils.files import check_file

__all__ = ["ARRAY_SUFFIX", "GRAY_NOTE", "as_rgb", "load_channels", "to_gray"]

ARRAY_SUFFIX = ".npy"

# What is said where a network takes one channel.
GRAY_NOTE = "the network takes grey images: pictures in colour are converted (ITU-R 601 luma)"

_RGB = 3
_TIFF_SUFFIXES = {".tif", ".tiff"}
# The modes of Pillow with another number of channels than grey and colour.
_MODES = {"LA": 2, "RGBA": 4, "CMYK": 4}


def load_channels(path: Path | str, channels: int = _RGB) -> ImageArray:
    """Read an image (H, W, C) with as many channels as a network takes.

    Of a network of several frames a picture is one frame, (H, W, 3).

    Args:
        path: An array of numpy, or an image.
        channels: C.

    Raises:
        ImageError: It cannot be read, or has other channels.
        MissingError: It is a TIFF of several bands, and the package tifffile is not installed.
    """
    path = Path(path)
    if path.suffix.lower() == ARRAY_SUFFIX:
        image = _array(path)
    elif channels == 1 or channels % _RGB == 0:
        image = load_image(path)
    else:
        image = _bands(path, channels)
    if channels == 1 and image.shape[2] == _RGB:
        return to_gray(image)
    if image.shape[2] != channels and (channels % _RGB or image.shape[2] != _RGB):
        raise ImageError(
            f"{path} has {image.shape[2]} channels, and the network takes {channels}",
            hint=f"give (H, W, {channels}) as {ARRAY_SUFFIX} or TIFF",
        )
    return image


def to_gray(image: ImageArray) -> ImageArray:
    """Return a picture (H, W, 3) as its luma (H, W, 1); grey stays what it is."""
    gray: ImageArray = np.asarray(Image.fromarray(image).convert("L"))[:, :, None]
    return gray


def as_rgb(image: ImageArray) -> ImageArray:
    """Return an image of any channels as one to look at: its first three, or grey."""
    if image.shape[2] >= _RGB:
        return np.ascontiguousarray(image[:, :, :_RGB])
    return np.repeat(image[:, :, :1], _RGB, axis=2)


def _array(path: Path) -> ImageArray:
    check_file(path, kind="image", error=ImageError)
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as failure:
        raise ImageError(f"{path} is no array of numpy, or damaged", str(failure)) from failure
    if not isinstance(array, np.ndarray):
        raise ImageError(f"{path} holds several arrays", hint="save one, by numpy.save")
    return _checked(array[:, :, None] if array.ndim == IMAGE_DIMENSIONS - 1 else array, path)


def _checked(array: NDArray[Any], path: Path) -> ImageArray:
    if array.dtype != np.uint8 or array.ndim != IMAGE_DIMENSIONS or 0 in array.shape:
        raise ImageError(
            f"{path} holds {array.dtype} ({', '.join(map(str, array.shape))})",
            "an image is uint8 (H, W, C), pixels from 0 to 255",
        )
    return array


def _bands(path: Path, channels: int) -> ImageArray:
    check_file(path, kind="image", error=ImageError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if _MODES.get(image.mode) == channels:
                    return np.array(image)
    except Exception as failure:  # a damaged file makes Pillow raise a dozen kinds of error
        if path.suffix.lower() not in _TIFF_SUFFIXES:
            raise ImageError(f"{path} cannot be read", str(failure)) from failure
    return _tiff(path, channels) if path.suffix.lower() in _TIFF_SUFFIXES else load_image(path)


def _tiff(path: Path, channels: int) -> ImageArray:
    try:
        import tifffile  # noqa: PLC0415 - only for what Pillow does not read
    except ModuleNotFoundError as failure:
        raise MissingError(
            "the package tifffile is not installed",
            f"{path} may have {channels} bands, which Pillow does not read",
            hint=f"pip install 'segpp[tiff]', or save it as {ARRAY_SUFFIX}",
        ) from failure
    try:
        array = np.asarray(tifffile.imread(path))
    except Exception as failure:  # as Pillow, and by classes of its own
        raise ImageError(f"{path} is damaged, or no TIFF", str(failure)) from failure
    # Bands one after the other, as GDAL writes them by default.
    if array.ndim == IMAGE_DIMENSIONS and array.shape[0] == channels != array.shape[2]:
        array = array.transpose(1, 2, 0)
    return _checked(array, path)
