"""Masks as TIFF, with what the source says of where on Earth it lies.

The tags are those of GeoTIFF 1.1 (OGC 19-008r4) and GDAL's own for "no data".
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import MissingError
from segpp.images.palette import Color
from segpp.images.stored import container_of
from segpp.images.stored.base import is_there
from segpp.images.stored.tiff import main_pages, orientation_in, quiet
from segpp.utils.overwrite import MARK

__all__ = ["TIFF_SUFFIXES", "check_tiff_writing", "write_mask"]

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})

# ModelPixelScale, ModelTiepoint, ModelTransformation, and the keys with their values.
_PLACE = (33550, 33922, 34264, 34735, 34736, 34737)
_NO_DATA = 42113
_DOUBLE, _ASCII, _SHORT = 12, 2, 3
_UPRIGHT = 1
_TILE = 256
_COLORS = 256
# From here on offsets may not fit into 32 bits.
_LARGE = 1 << 31


def check_tiff_writing() -> None:
    """Raise MissingError unless TIFFs can be written here."""
    if not (is_there("tifffile") and is_there("imagecodecs")):
        raise MissingError(
            "the package tifffile is not installed",
            "masks as TIFF are written by it",
            hint="pip install 'segpp[tiff]', or name a .png",
        )


def write_mask(
    part: Path,
    rows: Iterable[NDArray[Any]],
    size: tuple[int, int],
    palette: tuple[Color, ...],
    *,
    source: Path,
) -> None:
    """Write class numbers as TIFF in compressed tiles, as the rows come.

    Args:
        part: The file.
        rows: Parts (h, W) from top to bottom.
        size: Height and width of all.
        palette: A color for each class.
        source: The picture; what it says of its place is copied.
    """
    import tifffile  # noqa: PLC0415 - comes with an extra

    is_small = len(palette) <= _COLORS
    kind = np.dtype(np.uint8 if is_small else np.uint16)
    look: dict[str, Any] = {"photometric": "minisblack"}
    if is_small:
        table = np.zeros((3, _COLORS), np.uint16)
        table[:, : len(palette)] = np.array(palette, np.uint16).T * 257
        look = {"photometric": "palette", "colormap": table}
    with tifffile.TiffWriter(part, bigtiff=size[0] * size[1] * kind.itemsize > _LARGE) as file:
        file.write(
            _tiles(rows, size[1], kind),
            shape=size,
            dtype=kind,
            tile=(_TILE, _TILE),
            compression="zlib",
            software=MARK,
            metadata=None,
            extratags=_tags_of(source, len(palette)),
            **look,
        )


def _tiles(rows: Iterable[NDArray[Any]], width: int, kind: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """Yield rows as tiles, row by row of tiles."""
    kept = np.empty((0, width), kind)
    for some in rows:
        kept = np.concatenate([kept, some.astype(kind)])
        while len(kept) >= _TILE:
            yield from _cut(kept[:_TILE])
            kept = kept[_TILE:]
    if len(kept):
        yield from _cut(kept)


def _cut(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    for left in range(0, rows.shape[1], _TILE):
        part = rows[:, left : left + _TILE]
        missing = [(0, _TILE - part.shape[0]), (0, _TILE - part.shape[1])]
        yield np.ascontiguousarray(np.pad(part, missing))


def _tags_of(source: Path, classes: int) -> list[tuple[int, int, int, Any, bool]]:
    """Return what a source says of its place, as tags to write; nothing of other files."""
    import tifffile  # noqa: PLC0415 - as above

    if container_of(source) != "TIFF":
        return []
    with quiet(), tifffile.TiffFile(source, _multifile=False) as file:
        page = main_pages(file)[0]
        tags = page.tags
        # A picture that is turned lies otherwise than its mask.
        place = _PLACE if orientation_in(page) == _UPRIGHT else ()
        found = [_copied(tags[code]) for code in place if code in tags and _is_right(tags[code])]
        if isinstance(tags.valueof(_NO_DATA), str) and not _is_class(tags[_NO_DATA].value, classes):
            found.append(_copied(tags[_NO_DATA]))
    return found


def _copied(tag: Any) -> tuple[int, int, int, Any, bool]:
    if isinstance(tag.value, str):
        return tag.code, _ASCII, 0, tag.value, True
    kind = _SHORT if int(tag.dtype) == _SHORT else _DOUBLE
    return tag.code, kind, len(tag.value), tuple(tag.value), True


def _is_right(tag: Any) -> bool:
    """Return whether a tag holds what its kind is made of; a damaged one is left out."""
    if isinstance(tag.value, str):
        return True
    return isinstance(tag.value, tuple) and all(isinstance(n, int | float) for n in tag.value)


def _is_class(text: Any, classes: int) -> bool:
    """Return whether "no data" is the number of a class, which would vanish from every map."""
    try:
        return float(text) in range(classes)
    except (TypeError, ValueError):
        return True
