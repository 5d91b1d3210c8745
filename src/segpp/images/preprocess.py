"""The one way from an image file to the network's input.

The runtime, calibration and evaluation all call ``load_image`` and ``prepare``; what ``prepare``
does is described by the manifest's ``input`` and by nothing else.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import ImageError
from segpp.images.fit import Span, padding_color, place, start_of
from segpp.images.picture import check_bands, read_picture, rgb_of
from segpp.images.stored.base import is_there
from segpp.images.white import check_white
from segpp.manifest import InputSpec
from segpp.utils import arguments

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "IMAGE_DIMENSIONS",
    "IMAGE_SUFFIXES",
    "ImageArray",
    "ImageLike",
    "check_frame",
    "load_image",
    "pad_image",
    "prepare",
    "resize_image",
    "stack_frames",
]

ImageArray = NDArray[np.uint8]

# One image: (H, W, C), or for networks that take several frames at once, a list of (H, W, 3).
ImageLike = ImageArray | Sequence[ImageArray]

_RGB = 3
IMAGE_DIMENSIONS = 3  # (H, W, C)

# torchvision's statistics of ImageNet's red, green and blue on the 0-255 scale, as nearly every
# SegFormer was trained with.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)

# What their files end with, where a folder is searched for images.
IMAGE_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("apng", "bmp", "gif", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg", "pbm", "pfm", "pgm"),
        *("png", "pnm", "ppm", "tif", "tiff", "webp"),
        *(("avif",) if is_there("PIL._avif") else ()),
        *(("heic", "heif") if is_there("pillow_heif") else ()),
    )
)

# What the manifest calls a way to resize -> Pillow's filter, which averages where it shrinks.
_RESAMPLING = {
    "pillow-bilinear": Image.Resampling.BILINEAR,
    "pillow-bicubic": Image.Resampling.BICUBIC,
    "pillow-nearest": Image.Resampling.NEAREST,
}


def load_image(
    path: Path | str,
    *,
    white: str | float | None = None,
    bands: Sequence[int] | None = None,
    page: int = 0,
) -> ImageArray:
    """Read an image as RGB (H, W, 3), upright.

    EXIF orientation is applied. Grey, palette and CMYK images are converted, transparency is
    dropped. More than 8 bits and floats become 8 by the value that is white.

    Args:
        path: BMP, GIF, JPEG, JPEG 2000, PNG, PNM, TIFF, WebP, an array of numpy; AVIF and HEIC
            where Pillow or pillow-heif read them.
        white: Of more than 8 bits: the value that is white, ``max`` (what the type holds at most,
            the default) or ``auto`` (above nearly all of the picture).
        bands: The channels that are red, green and blue, counted from 1; or one that is grey.
        page: Of several pages or frames, from 0.

    Raises:
        ImageError: It is missing, not an image, damaged, truncated or too large.
        InputError: An argument is wrong.
        MissingError: It needs a package that is not installed.
    """
    path = arguments.path("path", path)
    picture = read_picture(
        path,
        white=check_white(white),
        bands=check_bands(bands),
        page=arguments.whole_number("page", page, least=0),
    )
    return rgb_of(path, picture)


def prepare(images: Sequence[ImageLike], spec: InputSpec) -> NDArray[Any]:
    """Return images as a batch for the network, (B, C, H, W) or (B, H, W, C) after ``spec``.

    Each is resized on 8 bits as ``spec.resize`` says, fills the tensor as ``spec.fit`` says
    (``segpp.images.fit``), and unless the network takes uint8 is normalised as
    ``(pixel - mean) / std`` in float32. ``mean`` and ``std`` follow the channels of the tensor. A
    uint8 network normalises inside; its pixels pass as they are.

    Args:
        images: RGB, of any sizes.

    Raises:
        ImageError: An image is not uint8 (H, W, C) or has another number of channels.
    """
    kind = np.uint8 if spec.dtype == "uint8" else np.float32
    planes_last = (spec.height, spec.width, spec.channels)
    planes_first = (spec.channels, spec.height, spec.width)
    shape = planes_last if spec.layout == "NHWC" else planes_first
    batch = np.empty((len(images), *shape), kind)
    order = [_source(channel, spec) for channel in range(spec.channels)]
    are_pixels = spec.dtype == "uint8" and spec.layout == "NHWC" and order == sorted(order)
    for image, out in zip(images, batch, strict=True):
        fitted = _fitted(stack_frames(image, spec.channels), spec)
        if are_pixels:
            # In one piece, which is many times as fast as channel by channel.
            out[:] = fitted
        else:
            _fill(out.transpose(2, 0, 1) if spec.layout == "NHWC" else out, fitted, spec)
    return batch.astype(np.float16) if spec.dtype == "float16" else batch


def stack_frames(image: ImageLike, channels: int) -> ImageArray:
    """Return one image as (H, W, C), joining a list of frames along the channels.

    Raises:
        ImageError: It is not uint8, or does not have ``channels`` channels.
    """
    frames = list(map(check_frame, image if isinstance(image, list | tuple) else [image]))
    if not frames:
        raise ImageError("an image has no frames")
    if len({frame.shape[:2] for frame in frames}) != 1:
        raise ImageError("the frames of one image must have one size", *map(_shape, frames))
    if 0 in frames[0].shape or sum(frame.shape[2] for frame in frames) != channels:
        hint = f"give (H, W, {channels}) or a list of {channels // _RGB} frames"
        raise ImageError(
            f"the network takes {channels} channels",
            f"found: {', '.join(map(_shape, frames))}",
            hint=hint if channels > _RGB else None,
        )
    return frames[0] if len(frames) == 1 else np.concatenate(frames, axis=2)


def check_frame(frame: object) -> ImageArray:
    """Return ``frame`` if it is an array uint8 (H, W, C).

    Raises:
        ImageError: It is something else.
    """
    if not isinstance(frame, np.ndarray):
        found = f"a {type(frame).__name__}"
    elif frame.dtype != np.uint8 or frame.ndim != IMAGE_DIMENSIONS:
        found = f"{frame.dtype} {frame.shape}"
    else:
        return frame
    raise ImageError(f"an image must be uint8 (H, W, C), not {found}")


def resize_image(image: ImageArray, spec: InputSpec) -> ImageArray:
    """Return an image (H, W, C) at the network's height and width, resized as ``spec.resize`` says.

    Args:
        image: Returned as it is if it has the size.
    """
    return _resize(image, (spec.height, spec.width), spec)


def pad_image(image: ImageArray, spec: InputSpec) -> ImageArray:
    """Return an image (H, W, C) where a letterbox begins in the network's input, in mean colour.

    Args:
        image: No larger than that; returned as it is if it has the size.
    """
    if image.shape[:2] == (spec.height, spec.width):
        return image
    canvas = np.empty((spec.height, spec.width, spec.channels), np.uint8)
    canvas[:] = padding_color(spec)[[_source(channel, spec) for channel in range(spec.channels)]]
    top, left = start_of(spec.height, image.shape[0]), start_of(spec.width, image.shape[1])
    canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def _fill(planes: NDArray[Any], image: ImageArray, spec: InputSpec) -> None:
    """Write the image (H, W, C) into (C, H, W), normalised if these are floats."""
    for channel, plane in enumerate(planes):
        pixels = image[:, :, _source(channel, spec)]
        if spec.dtype == "uint8":
            plane[:] = pixels
        else:
            np.subtract(pixels, np.float32(spec.mean[channel]), out=plane, dtype=np.float32)
            np.divide(plane, np.float32(spec.std[channel]), out=plane)


def _fitted(image: ImageArray, spec: InputSpec) -> ImageArray:
    """Return an image (H, W, C) at the network's size, padded or cut as ``spec.fit`` says."""
    if spec.fit == "stretch":
        return resize_image(image, spec)
    placed = place(image.shape[:2], spec)
    spans = placed.rows, placed.columns
    if spec.fit == "crop":
        return _resize(image, (spec.height, spec.width), spec, box=_cut(*spans))
    return pad_image(_resize(image, (placed.rows.content, placed.columns.content), spec), spec)


def _cut(rows: Span, columns: Span) -> tuple[float, float, float, float]:
    """Return what the network sees of a picture: left, top, right, bottom in its pixels."""
    # A part that is resized equals the part of a whole that is resized, whose size may have no
    # bounds: Pillow's filter reaches over the edges of the part.
    (top, bottom), (left, right) = (
        [
            min(max((edge - span.start) * span.picture / span.content, 0.0), float(span.picture))
            for edge in (0, span.network)
        ]
        for span in (rows, columns)
    )
    return left, top, right, bottom


def _source(channel: int, spec: InputSpec) -> int:
    """Return the image's channel for the tensor's: BGR swaps within each frame."""
    if spec.colours == "RGB" or spec.channels % _RGB:
        return channel
    return channel - channel % _RGB + (_RGB - 1 - channel % _RGB)


def _resize(
    image: ImageArray,
    size: tuple[int, int],
    spec: InputSpec,
    box: tuple[float, float, float, float] | None = None,
) -> ImageArray:
    """Return an image (H, W, C), or the part of it in ``box``, at another height and width."""
    if image.shape[:2] == size and box in {None, (0, 0, size[1], size[0])}:
        return image
    # Pillow resizes at most four channels at once, each for itself.
    channels = image.shape[2]
    step = _RGB if channels % _RGB == 0 else 1
    parts = [
        _resize_part(image[:, :, first : first + step], size, spec, box)
        for first in range(0, channels, step)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)


def _resize_part(
    part: ImageArray,
    size: tuple[int, int],
    spec: InputSpec,
    box: tuple[float, float, float, float] | None,
) -> ImageArray:
    flat = Image.fromarray(np.ascontiguousarray(part if part.shape[2] == _RGB else part[:, :, 0]))
    resized = np.asarray(_columns_first(flat, size, _RESAMPLING[spec.resize], box))
    return resized if resized.ndim == IMAGE_DIMENSIONS else resized[:, :, None]


def _columns_first(
    flat: Image.Image,
    size: tuple[int, int],
    resampling: Image.Resampling,
    box: tuple[float, float, float, float] | None,
) -> Image.Image:
    """Resize one side after the other, as Pillow up to 12 does at once.

    Between the sides pixels are rounded. From Pillow 13 on rows come first where they shrink much
    more than columns, and masks would depend on its version.
    """
    height, width = size
    left, top, right, bottom = box or (0.0, 0.0, float(flat.width), float(flat.height))
    if resampling is Image.Resampling.NEAREST or height >= bottom - top:
        return flat.resize((width, height), resampling, box=(left, top, right, bottom))
    across = flat.resize((width, flat.height), resampling, box=(left, 0, right, flat.height))
    return across.resize((width, height), resampling, box=(0, top, width, bottom))


def _shape(frame: ImageArray) -> str:
    return f"({', '.join(map(str, frame.shape))})"
