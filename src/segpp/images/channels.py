"""Images of as many channels as a network takes: grey, colour, or bands beside the colours.

A network of one channel takes pictures in colour too: by their luma, as Pillow and OpenCV do.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from segpp.errors import ImageError
from segpp.images.picture import Picture, check_bands, read_picture, rgb_of
from segpp.images.preprocess import ImageArray
from segpp.images.white import check_white
from segpp.manifest import InputSpec

__all__ = [
    "ARRAY_SUFFIX",
    "GRAY_NOTE",
    "as_channels",
    "as_rgb",
    "load_channels",
    "load_for",
    "to_gray",
]

ARRAY_SUFFIX = ".npy"

# What is said where a network takes one channel.
GRAY_NOTE = "the network takes grey images: pictures in colour are converted (ITU-R 601 luma)"

_RGB = 3
# No picture is as low, and no camera has as many channels.
_FEW_ROWS = 16


def load_for(path: Path | str, spec: InputSpec, *, page: int = 0) -> ImageArray:
    """Read an image (H, W, C) as an input takes it: its channels, its white, its bands.

    Raises:
        ImageError: As ``load_channels``, and MissingError.
    """
    return load_channels(path, spec.channels, white=spec.white, bands=spec.bands, page=page)


def load_channels(
    path: Path | str,
    channels: int = _RGB,
    *,
    white: str | float | None = None,
    bands: Sequence[int] | None = None,
    page: int = 0,
) -> ImageArray:
    """Read an image (H, W, C) with as many channels as a network takes.

    Of a network of several frames a picture is one frame, (H, W, 3).

    Args:
        path: An array of numpy, or an image.
        channels: C.
        white: What is white, of more than 8 bits: as ``segpp.images.white`` says.
        bands: The channels that are taken, counted from 1.
        page: Of several, from 0.

    Raises:
        ImageError: It cannot be read, or has other channels.
        MissingError: It needs a package that is not installed.
    """
    path = Path(path)
    picture = read_picture(path, white=check_white(white), bands=check_bands(bands), page=page)
    return as_channels(path, picture, channels)


def as_channels(path: Path, picture: Picture, channels: int) -> ImageArray:
    """Return a picture (H, W, C) with as many channels as a network takes.

    Args:
        path: Its file, for messages.
        picture: Of any channels.
        channels: C; of a network of several frames a picture is one of them.

    Raises:
        ImageError: It has others.
    """
    have = picture.pixels.shape[2]
    if have == channels:
        return picture.pixels
    if channels == 1 and picture.colors in {1, _RGB}:
        return to_gray(picture.pixels[:, :, : picture.colors])
    if channels % _RGB == 0 and picture.colors in {1, _RGB}:
        return rgb_of(path, picture)
    hint = "say which of them, counted from 1 as GDAL does: `bands=3,2,1`"
    if have < channels:
        hint = f"give (H, W, {channels}) as {ARRAY_SUFFIX} or TIFF"
    elif len(picture.pixels) <= _FEW_ROWS < have:
        hint = "are its channels the first of its sides? numpy.moveaxis(array, 0, -1) turns it"
    raise ImageError(f"{path} has {have} channels, and the network takes {channels}", hint=hint)


def to_gray(image: ImageArray) -> ImageArray:
    """Return a picture (H, W, 3) as its luma (H, W, 1); grey stays what it is."""
    if image.shape[2] == 1:
        return image
    gray: ImageArray = np.asarray(Image.fromarray(image).convert("L"))[:, :, None]
    return gray


def as_rgb(image: ImageArray) -> ImageArray:
    """Return an image of any channels as one to look at: its first three, or grey."""
    if image.shape[2] >= _RGB:
        return np.ascontiguousarray(image[:, :, :_RGB])
    return np.repeat(image[:, :, :1], _RGB, axis=2)
