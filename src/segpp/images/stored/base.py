"""What a kind of file offers: whether a file is of it, and what one of its pages stores."""

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from segpp.errors import ImageError
from segpp.utils.registry import Registry

__all__ = [
    "CONTAINERS",
    "HEAD_BYTES",
    "ORIENTATION",
    "Container",
    "Pixels",
    "Stored",
    "check_page",
    "check_size",
    "damaged",
    "extra_of",
    "is_there",
    "most_pixels",
    "orientation_of",
    "plain",
    "rounded_bits",
    "upright",
]

Pixels = NDArray[Any]

# EXIF's tag, and TIFF's.
ORIENTATION = 0x0112
# How much of a file's beginning tells what it is.
HEAD_BYTES = 32
_DIMENSIONS = 3  # (H, W, C)
# What is unpacked at once, at most; Pillow's own limit counts pixels and not their size.
_MOST_BYTES = 4 << 30
_BITS = (1, 2, 4, 8, 12, 16, 32, 64)


@dataclass(frozen=True)
class Stored:
    """One page of a file.

    Attributes:
        array: (H, W), or (H, W, C) of several channels; in the machine's byte order. Samples of
            less than a byte are uint8, everything else keeps its type and its values.
        palette: The colours (N, 3) that the array holds the numbers of, if it does.
        white_is_zero: 0 means white (TIFF's photometric 0, PBM); the array is not turned round.
        bits: Of a sample.
        pages: How many pages or frames the file has.
        white: The value that the file itself calls white, where that is not all of its bits.
        extra: How many of the last channels are no colours: transparency, or bands beside RGB.
        orientation: How the picture is to be turned, 1 to 8 as EXIF has it; the array is not.
        space: What the channels are where that is neither grey nor RGB: CMYK, YCbCr, CIELab.
        directory: Where a TIFF's page lies among all that the file has, reduced copies too.
        lossy: What packed a TIFF's pixels, if that is made to change them: JPEG and the like.
    """

    array: Pixels
    palette: NDArray[np.uint8] | None = None
    white_is_zero: bool = False
    bits: int = 8
    pages: int = 1
    white: int | None = None
    extra: int = 0
    orientation: int = 1
    space: str | None = None
    lossy: str | None = None
    directory: int = 0


@dataclass(frozen=True)
class Container:
    """One kind of file.

    Args:
        knows: Says by the first ``HEAD_BYTES`` whether a file is of the kind.
        read: Returns what a page stores, by its number from 0. Whatever it raises but our own
            errors means that the file is damaged.
        pages: Returns how many pages a file has, without reading their pixels.
    """

    knows: Callable[[bytes], bool]
    read: Callable[[Path, int], Stored]
    pages: Callable[[Path], int] = lambda _path: 1


CONTAINERS: Registry[Container] = Registry("segpp.images.stored", "kind of image", ImageError)


def check_page(path: Path, page: int, pages: int) -> None:
    """Raise ImageError unless there is such a page, counted from 0."""
    if not 0 <= page < pages:
        have = "1 page" if pages == 1 else f"{pages} pages"
        raise ImageError(f"{path} has {have}, and no page {page + 1}")


def check_size(
    path: Path, shape: Sequence[int], bytes_each: int = 1, *, hint: str | None = None
) -> None:
    """Raise ImageError if so much must not be unpacked; asked before anything is.

    Args:
        path: For the message.
        shape: (H, W) or (H, W, C).
        bytes_each: Size of a sample.
        hint: What else can be done with such a file.
    """
    height, width, *channels = map(int, shape)
    if min(height, width, *channels) < 1:
        raise ImageError(f"{path} is damaged", f"it says that it is {height}x{width}")
    if height * width > most_pixels():
        raise ImageError(
            f"{path} is too large",
            f"it says {height * width:,} pixels, as a decompression bomb does; read are up to "
            f"{most_pixels():,}",
            hint=hint,
        )
    total = height * width * bytes_each * (channels[0] if channels else 1)
    if total > _MOST_BYTES:
        raise ImageError(
            f"{path} is too large",
            f"it says {total:,} bytes of pixels; read are up to {_MOST_BYTES:,}",
            hint=hint,
        )


def damaged(path: Path, failure: Exception) -> ImageError:
    """Return what a reader's own error means: its words where they are meant for people."""
    if isinstance(failure, UnidentifiedImageError):
        return ImageError(f"{path} is damaged", "its header is")
    means_little = isinstance(failure, LookupError | TypeError | AttributeError | struct.error)
    if means_little or isinstance(failure, ArithmeticError):
        return ImageError(f"{path} is damaged", "it ends too early, or contradicts itself")
    return ImageError(f"{path} is damaged", str(failure))


def most_pixels() -> int:
    """Return how many pixels are unpacked at once, at most: Pillow's limit, from where it refuses.

    Whoever sets ``PIL.Image.MAX_IMAGE_PIXELS`` sets this.
    """
    return 2 * Image.MAX_IMAGE_PIXELS if Image.MAX_IMAGE_PIXELS else 1 << 40


def extra_of(mode: str) -> int:
    """Return how many channels of one of Pillow's modes are no colours."""
    return 1 if mode in {"LA", "RGBA"} else 0


def orientation_of(image: Image.Image) -> int:
    """Return how an open picture is to be turned, 1 where it does not say so."""
    # A damaged EXIF block is no reason to refuse good pixels.
    with suppress(OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
        return int(image.getexif().get(ORIENTATION, 1))
    return 1


def is_there(module: str) -> bool:
    """Return whether a module could be imported."""
    try:
        return find_spec(module) is not None
    # Of a package that refuses to be found, or of a part of one that is not there.
    except (ImportError, ValueError):
        return False


def rounded_bits(bits: int) -> int:
    """Return the smallest usual size of samples that holds so many bits."""
    return next(size for size in _BITS if size >= bits)


def plain(array: Pixels) -> Pixels:
    """Return an array with what tells nothing taken away: byte order, bool, one single channel."""
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array[:, :, 0] if array.ndim == _DIMENSIONS and array.shape[2] == 1 else array


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Return pixels (H, W, …) turned and mirrored as EXIF's orientation, 1 to 8, says."""
    turns = {3: 2, 6: -1, 8: 1, 4: 2, 5: -1, 7: 1}
    # Mirrored ones are turned, then mirrored.
    turned = np.rot90(pixels, turns.get(orientation, 0))
    return np.ascontiguousarray(turned[:, ::-1] if orientation in {2, 4, 5, 7} else turned)
