"""The pictures of a certificate: drawn ones that come with segpp, never those of its users.

    street    the bundled scene, 512x1024, as the JPEG file that it is
    patches   parts of it in other sizes beside gradients, waves, checks and noise; odd sides, and
              higher than wide, so that every fit pads, cuts or squeezes it

Networks of other channels than a photograph has get waves, channel by channel.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.images import sample_image
from segpp.images.channels import to_gray
from segpp.images.preprocess import ImageArray

__all__ = ["Picture", "decoded", "pictures_for"]

_RGB = 3
# Height and width of the drawn pictures: odd, and no divisor of anything.
_PATCHES = (181, 131)
_WAVES = 5


@dataclass(frozen=True)
class Picture:
    """A picture of a certificate.

    Attributes:
        name: Also of its entry in the archive.
        file: A JPEG or PNG; of another number of channels than three the planes lie below each
            other in grey.
        pixels: What that decodes to, (H, W, C).
    """

    name: str
    file: bytes
    pixels: ImageArray


def pictures_for(channels: int) -> tuple[Picture, ...]:
    """Return the pictures for a network of so many channels."""
    if channels == 1 or channels % _RGB == 0:
        files = {"street": sample_image().read_bytes(), "patches": _png(_patches())}
    else:
        planes = _waves(channels)
        files = {"waves": _png(planes.transpose(2, 0, 1).reshape(-1, planes.shape[1]))}
    return tuple(Picture(name, file, decoded(file, channels)) for name, file in files.items())


def decoded(file: bytes, channels: int) -> ImageArray:
    """Return what a picture's file holds as (H, W, C).

    Raises:
        ValueError: It has no such channels.
    """
    with Image.open(io.BytesIO(file), formats=("JPEG", "PNG")) as image:
        if image.mode not in {"RGB", "L"}:
            raise ValueError(f"a picture of the mode {image.mode}")
        pixels = np.array(image)
    if pixels.ndim == _RGB:
        if channels == 1:
            return to_gray(pixels)
        if channels % _RGB:
            raise ValueError(f"a picture in colour for {channels} channels")
        # A network of several frames sees the same one in each.
        return np.concatenate([pixels] * (channels // _RGB), axis=2)
    if len(pixels) % channels:
        raise ValueError(f"{len(pixels)} rows of {channels} planes")
    planes = pixels.reshape(channels, -1, pixels.shape[1])
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _png(pixels: ImageArray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _patches() -> ImageArray:
    """Return a mosaic (181, 131, 3): the street near and far, and textures of no street."""
    with Image.open(sample_image()) as street:
        near = np.asarray(street.crop((420, 180, 551, 240)).convert("RGB"))
        far = np.asarray(street.convert("RGB").resize((131, 61), Image.Resampling.BOX))
    drawn = np.concatenate([near, far, _textures(60, 131)])
    return drawn[: _PATCHES[0], : _PATCHES[1]]


def _textures(height: int, width: int) -> ImageArray:
    draw = np.random.default_rng(7)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    parts: Sequence[NDArray[np.float64]] = (
        255 * rows / height,
        255 * ((rows // 6 + columns // 6) % 2),
        127 + 120 * np.sin(columns / 5 + rows / 9),
        draw.integers(0, 256, (height, width)).astype(np.float64),
    )
    band = np.minimum(columns * len(parts) // width, len(parts) - 1).astype(int)
    grey = np.choose(band, parts)
    tints = np.array([[1.0, 0.8, 0.6], [0.7, 0.9, 1.0], [0.5, 1.0, 0.6], [1.0, 1.0, 1.0]])
    tinted: ImageArray = np.clip(grey[..., None] * tints[band], 0, 255).astype(np.uint8)
    return tinted


def _waves(channels: int) -> ImageArray:
    """Return slow waves with a little grain, a sum of its own for every channel."""
    draw = np.random.default_rng(0)
    height, width = _PATCHES
    rows, columns = np.mgrid[0 : 1 : complex(height), 0 : 1 : complex(width)]
    planes = []
    for _ in range(channels):
        terms = draw.uniform((-4, -4, 0), (4, 4, 1), (_WAVES, 3))
        waves = sum(np.sin(2 * np.pi * (y * rows + x * columns + at)) for y, x, at in terms)
        plane = waves / _WAVES + draw.normal(0, 0.03, (height, width))
        planes.append(np.clip(127.5 * (1 + 1.5 * plane), 0, 255))
    return np.stack(planes, 2).astype(np.uint8)
