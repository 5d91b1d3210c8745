"""TIFF and BigTIFF, by tifffile and imagecodecs; Pillow reads few of them, and changes numbers.

Reduced copies and masks of a page, as in cloud-optimised GeoTIFFs, are no pages. Where metadata
says that neighbouring pages are the channels of one picture, they are one page.
"""

import logging
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import ImageError
from segpp.images.stored._tiffs.by_pillow import count_by_pillow, read_by_pillow
from segpp.images.stored._tiffs.planes import planes_in
from segpp.images.stored._tiffs.segments import HEAD_BYTES, LERC, size_in
from segpp.images.stored.base import (
    CONTAINERS,
    ORIENTATION,
    Container,
    Pixels,
    Stored,
    check_page,
    check_size,
    is_there,
    plain,
    rounded_bits,
)

__all__ = [
    "bits_of",
    "channels_last",
    "check_segment",
    "check_type",
    "check_whole",
    "extra_of",
    "is_separate",
    "main_pages",
    "orientation_in",
    "palette_of",
    "quiet",
    "segment_shape",
    "space_of",
]

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _PALETTE = 0, 3
_COLOR_MAP = 320
_SEPARATE = 2
_BY_WINDOWS = "segpp-run reads it by windows with --tile --save mask --out mask.tif"
_RGB, _YCBCR = 3, 6
_SPACES = {5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab"}
_THREE_COLORS = {2, 6, 8, 9}
_ALPHA = {1, 2}
_JPEG, _JPEG_2000 = {6, 7, 34892}, {33003, 33004, 33005, 34712}
_OTHERS_LOSSY = {34927: "WebP", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL"}


def _read(path: Path, page: int) -> Stored:
    if not (is_there("tifffile") and is_there("imagecodecs")):
        return read_by_pillow(path, page)
    import tifffile  # noqa: PLC0415 - comes with an extra

    # Other files that this one names are none of what was asked for.
    with quiet(), tifffile.TiffFile(path, _multifile=False) as file:
        pages = main_pages(file)
        each = planes_in(pages[0].description, [p.samplesperpixel for p in pages])
        check_page(path, page, len(pages) // each)
        planes = pages[page * each : (page + 1) * each]
        return _stored(path, planes, len(pages) // each)


def _count(path: Path) -> int:
    if not (is_there("tifffile") and is_there("imagecodecs")):
        return count_by_pillow(path)
    import tifffile  # noqa: PLC0415 - as above

    with quiet(), tifffile.TiffFile(path, _multifile=False) as file:
        pages = main_pages(file)
        return len(pages) // planes_in(pages[0].description, [p.samplesperpixel for p in pages])


def main_pages(file: Any) -> list[Any]:
    """Return the pages of an open file that are no reduced copies or masks of others.

    Raises:
        ValueError: The pages break off.
    """
    pages = list(file.pages)
    _check_chain(file, pages)
    return [page for page in pages if not (page.is_reduced or page.is_mask)] or pages


def _check_chain(file: Any, pages: Sequence[Any]) -> None:
    """Raise ValueError unless the last page says that it is the last: tifffile stops silently."""
    if not pages:
        raise ValueError("it has no pages")
    kind, handle = file.tiff, file.filehandle
    handle.seek(pages[-1].offset)
    (tags,) = struct.unpack(kind.tagnoformat, handle.read(kind.tagnosize))
    handle.seek(pages[-1].offset + kind.tagnosize + tags * kind.tagsize)
    # Some writers leave these bytes out.
    after = handle.read(kind.offsetsize)
    if len(after) == kind.offsetsize and (next_page := struct.unpack(kind.offsetformat, after)[0]):
        raise ValueError(f"what follows page {len(pages)}, at {next_page:,}, is no page")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what tifffile says of odd tags off the screen."""
    handler, log = logging.NullHandler(), logging.getLogger("tifffile")
    spreads = log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = spreads


def _stored(path: Path, planes: Sequence[Any], pages: int) -> Stored:
    first = planes[0]
    height, width = first.imagelength, first.imagewidth
    check_type(path, first)
    shape = height, width, first.samplesperpixel * len(planes)
    check_size(path, shape, first.dtype.itemsize, hint=_BY_WINDOWS)
    arrays = []
    for page in planes:
        check_whole(path, page)
        _check_segments(path, page)
        arrays.append(channels_last(page.asarray(squeeze=False)))
    if len({array.shape for array in arrays}) > 1:
        raise ImageError(f"{path} has channels of different sizes")
    array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=2)
    white_is_zero = int(first.photometric) == _WHITE_IS_ZERO
    return Stored(
        plain(array),
        palette_of(first),
        white_is_zero,
        bits_of(first),
        pages,
        extra=extra_of(first, array.shape[2]),
        orientation=orientation_in(first),
        space=space_of(first),
        lossy=_lossy(first),
        directory=int(first.index),
    )


def extra_of(page: Any, channels: int) -> int:
    """Return how many channels of a page are no colours."""
    if int(page.photometric) in _THREE_COLORS:
        return max(channels - _RGB, 0)
    return sum(int(kind) in _ALPHA for kind in page.extrasamples) if channels > 1 else 0


def orientation_in(page: Any) -> int:
    """Return how a page is to be turned, 1 to 8."""
    tag = page.tags.get(ORIENTATION)
    return tag.value if tag is not None and tag.value in range(1, 9) else 1


def _lossy(page: Any) -> str | None:
    """Return what packed a page, if that is made to change pixels; it may have kept them."""
    kind = int(page.compression)
    if kind in _JPEG | _JPEG_2000:
        return "JPEG" if kind in _JPEG else "JPEG 2000"
    return _OTHERS_LOSSY.get(kind)


def space_of(page: Any) -> str | None:
    """Return what the channels of a page are, None for grey and RGB."""
    # YCbCr comes out of JPEG's decoder as RGB.
    is_decoded = int(page.compression) in _JPEG and int(page.photometric) == _YCBCR
    return None if is_decoded else _SPACES.get(int(page.photometric))


def check_type(path: Path, page: Any) -> None:
    """Raise ImageError for pages that are no picture of numbers."""
    if page.dtype is None or page.dtype.kind not in "buif":
        kind = page.dtype or f"format {page.sampleformat} of {page.bitspersample} bits"
        raise ImageError(f"{path} has samples of a kind that is not read", f"they are {kind}")
    if page.imagedepth > 1:
        raise ImageError(f"{path} is a volume of {page.imagedepth} layers in one page")


def bits_of(page: Any) -> int:
    """Return the bits of a sample, or of the largest where they differ."""
    bits = page.bitspersample
    return rounded_bits(max(bits) if isinstance(bits, tuple) else int(bits))


def channels_last(array: Pixels) -> Pixels:
    """Return what tifffile gives as (planes, 1, H, W, channels) as (H, W, C)."""
    separate: Pixels = array[:, 0]
    if separate.shape[0] == 1:
        joined: Pixels = separate[0]
        return joined
    return np.ascontiguousarray(separate[..., 0].transpose(1, 2, 0))


def check_whole(path: Path, page: Any) -> None:
    """Raise ImageError if segments lie behind the end of the file, or some are not told of.

    Segments that were never written, as GDAL leaves them out, are zero.
    """
    size = path.stat().st_size
    parts = zip(page.dataoffsets, page.databytecounts, strict=False)
    last = max((offset + length for offset, length in parts), default=0)
    if last > size:
        raise ImageError(f"{path} is damaged", f"it is cut short: {size:,} bytes, not {last:,}")
    if len(page.dataoffsets) == 0:
        raise ImageError(f"{path} is damaged", "it says nowhere where its pixels are")


def check_segment(path: Path, page: Any, data: bytes) -> None:
    """Raise ImageError if a segment would unpack to more than the page says; see ``segments``.

    Args:
        path: For the message.
        page: The page.
        data: The segment, or its first bytes.
    """
    rows, columns = segment_shape(page)
    # LERC's bands stand one above the other.
    is_lerc = int(page.compression) == LERC
    tall = rows * (page.samplesperpixel if is_lerc and not is_separate(page) else 1)
    try:
        most = rows * columns * page.samplesperpixel * page.dtype.itemsize
        found = size_in(data, int(page.compression), 2 * most + HEAD_BYTES)
    except (ValueError, IndexError, struct.error) as failure:
        raise ImageError(f"{path} is damaged", "a part of it does not say its size") from failure
    if found and (found[0] > tall or found[1] > columns):
        raise ImageError(
            f"{path} is damaged", f"a part of it is {found[0]}x{found[1]}, not {tall}x{columns}"
        )


def segment_shape(page: Any) -> tuple[int, int]:
    """Return the height and width of a page's tiles or strips.

    Raises:
        ValueError: They have none.
    """
    rows = int(page.tilelength if page.is_tiled else page.rowsperstrip)
    columns = int(page.tilewidth if page.is_tiled else page.imagewidth)
    if min(rows, columns) < 1:
        raise ValueError(f"its parts are {rows}x{columns}")
    return rows, columns


def is_separate(page: Any) -> bool:
    """Return whether the channels of a page lie in planes one after the other."""
    return int(page.planarconfig) == _SEPARATE and page.samplesperpixel > 1


def _check_segments(path: Path, page: Any) -> None:
    most = None if int(page.compression) == LERC else HEAD_BYTES
    with path.open("rb") as file:
        for offset, length in zip(page.dataoffsets, page.databytecounts, strict=False):
            file.seek(offset)
            check_segment(path, page, file.read(min(length, most or length)))


def palette_of(page: Any) -> NDArray[np.uint8] | None:
    """Return the colours (N, 3) that a page holds the numbers of, if it does."""
    if int(page.photometric) != _PALETTE or page.tags.get(_COLOR_MAP) is None:
        return None
    colors = np.asarray(page.tags[_COLOR_MAP].value, np.uint16).reshape(3, -1).T
    # 16 bits each; some writers fill 8 alone.
    deep = int(colors.max()) > np.iinfo(np.uint8).max
    return np.asarray(colors >> np.uint16(8) if deep else colors, np.uint8)


CONTAINERS.register("TIFF")(Container(lambda head: head.startswith(_STARTS), _read, _count))
