"""TIFFs too large for the memory, read by windows.

The parts of the file that a window lies on are unpacked, and kept until the windows have passed.
"""

import struct
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import ImageError, InputError
from segpp.images.channels import as_channels
from segpp.images.picture import finished
from segpp.images.preprocess import ImageArray
from segpp.images.stored.base import Stored, plain
from segpp.images.stored.tiff import (
    bits_of,
    check_type,
    check_whole,
    extra_of,
    main_pages,
    orientation_in,
    palette_of,
    quiet,
    space_of,
)
from segpp.images.white import AUTO, MAX, check_white, usual_white, warn_if_dark
from segpp.manifest import InputSpec

__all__ = ["Mosaic", "open_mosaic"]

_LARGEST_PART = 1 << 30
_UPRIGHT = 1
_WHITE_IS_ZERO = 0
_COUNTED = (np.uint8, np.uint16)


class Mosaic(AbstractContextManager["Mosaic"]):
    """An open TIFF of one page that is sliced like an array (H, W, C); see ``open_mosaic``.

    Windows may come in any order; from top to bottom each part is unpacked once.

    Args:
        path: For messages.
        file: As tifffile opened it.
        spec: What the network takes: channels, white, bands.
    """

    def __init__(self, path: Path, file: Any, spec: InputSpec) -> None:
        self._path, self._file, self._spec = path, file, spec
        self._page, *others = main_pages(file)
        if others:
            raise ImageError(f"{path} has {1 + len(others)} pages, and one is read by windows")
        self._parts: dict[int, NDArray[Any]] = {}
        self._brightest = 0.0
        _check(path, self._page)
        self.shape = (int(self._page.imagelength), int(self._page.imagewidth), spec.channels)
        self._white = spec.white
        if spec.white == AUTO:
            self._white = check_white(self._counted_white())

    def __getitem__(self, window: tuple[slice, slice]) -> ImageArray:
        """Return the pixels of two slices without steps, as the network takes them."""
        rows, columns = (
            part.indices(side)[:2] for part, side in zip(window, self.shape, strict=False)
        )
        stored = self._stored(self._raw(rows, columns))
        if self._white is None and stored.palette is None:
            self._brightest = max(self._brightest, float(np.nanmax(stored.array)))
        picture = finished(self._path, stored, white=self._white or MAX, bands=self._spec.bands)
        return as_channels(self._path, picture, self._spec.channels)

    def __exit__(self, *_: object) -> None:
        """Close the file; say so if all of it was nearly black."""
        self._file.close()
        page = self._page
        if self._white is None and page.dtype != np.uint8:
            bits = bits_of(page) - (page.dtype.kind == "i")
            warn_if_dark(
                self._path,
                self._brightest,
                1.0 if page.dtype.kind == "f" else float((1 << bits) - 1),
            )

    def _stored(self, array: NDArray[Any]) -> Stored:
        page = self._page
        return Stored(
            plain(array),
            palette_of(page),
            int(page.photometric) == _WHITE_IS_ZERO,
            bits_of(page),
            extra=extra_of(page, array.shape[2]),
        )

    def _raw(self, rows: Sequence[int], columns: Sequence[int]) -> NDArray[Any]:
        page = self._page
        shape = rows[1] - rows[0], columns[1] - columns[0], page.samplesperpixel
        out = np.zeros(shape, page.dtype)
        wanted = set(self._numbers(rows, columns))
        # Windows go down: what lies above is not asked for again.
        for number in [one for one in self._parts if self._place(one)[1] + self._rows <= rows[0]]:
            del self._parts[number]
        for number in sorted(wanted):
            plane, top, left = self._place(number)
            part = self._part(number)
            if part is not None:
                _put(out, part, plane, top - rows[0], left - columns[0])
        return out

    @property
    def _rows(self) -> int:
        page = self._page
        return int(page.tilelength if page.is_tiled else page.rowsperstrip)

    @property
    def _columns(self) -> int:
        page = self._page
        return int(page.tilewidth if page.is_tiled else page.imagewidth)

    @property
    def _grid(self) -> tuple[int, int]:
        return -(-self.shape[0] // self._rows), -(-self.shape[1] // self._columns)

    def _numbers(self, rows: Sequence[int], columns: Sequence[int]) -> list[int]:
        down, across = self._grid
        planes = self._page.samplesperpixel if _is_separate(self._page) else 1
        return [
            (plane * down + y) * across + x
            for plane in range(planes)
            for y in range(rows[0] // self._rows, -(-rows[1] // self._rows))
            for x in range(columns[0] // self._columns, -(-columns[1] // self._columns))
        ]

    def _place(self, number: int) -> tuple[int, int, int]:
        """Return a part's plane, and where it begins."""
        down, across = self._grid
        return (
            number // (down * across),
            number // across % down * self._rows,
            number % across * self._columns,
        )

    def _part(self, number: int) -> NDArray[Any] | None:
        """Return one part (h, w, channels); None for one that was never written: zeros."""
        if number not in self._parts:
            page = self._page
            length = page.databytecounts[number]
            if length == 0:
                return None
            self._file.filehandle.seek(page.dataoffsets[number])
            data = self._file.filehandle.read(length)
            try:
                part, _, shape = page.decode(data, number, jpegtables=page.jpegtables)
            except Exception as failure:  # codecs have errors of their own
                raise ImageError(f"{self._path} is damaged", str(failure)) from failure
            self._parts[number] = part.reshape(shape)[0]
        return self._parts[number]

    def _colors(self) -> range:
        samples = self._page.samplesperpixel
        return range(1, samples + 1 - extra_of(self._page, samples))

    def _counted_white(self) -> float:
        """Return what ``auto`` means for all of it: the values of all parts are counted first."""
        page = self._page
        if page.dtype not in _COUNTED:
            raise InputError(
                f"`white=auto` cannot be told of {page.dtype} read by windows",
                hint="say a number: `white=1`",
            )
        colors = self._spec.bands or self._colors()
        counts = np.zeros(np.iinfo(page.dtype).max + 1, np.int64)
        for top in range(0, self.shape[0], self._rows):
            rows = self._raw((top, min(top + self._rows, self.shape[0])), (0, self.shape[1]))
            for band in colors:
                counts += np.bincount(rows[:, :, band - 1].reshape(-1), minlength=len(counts))
        self._parts.clear()
        rank = (999 * int(counts.sum()) + 999) // 1000
        return usual_white(float(np.searchsorted(np.cumsum(counts), rank)))


def open_mosaic(path: Path, spec: InputSpec) -> Mosaic:
    """Return a TIFF of any size as windows (H, W, C) of what a network takes.

    Raises:
        ImageError: It is damaged, has several pages, or parts too large to be unpacked.
    """
    import tifffile  # noqa: PLC0415 - comes with an extra

    try:
        with quiet():
            file = tifffile.TiffFile(path, _multifile=False)
    except (OSError, ValueError, struct.error, tifffile.TiffFileError) as failure:
        raise ImageError(f"{path} is damaged, or no TIFF", str(failure)) from failure
    try:
        return Mosaic(path, file, spec)
    except tifffile.TiffFileError as failure:
        file.close()
        raise ImageError(f"{path} is damaged", str(failure)) from failure
    except BaseException:
        file.close()
        raise


def _check(path: Path, page: Any) -> None:
    check_type(path, page)
    check_whole(path, page)
    if space_of(page) or orientation_in(page) != _UPRIGHT:
        what = space_of(page) or "turned"
        raise ImageError(f"{path} is {what}, which is not read by windows")
    rows = page.tilelength if page.is_tiled else page.rowsperstrip
    columns = page.tilewidth if page.is_tiled else page.imagewidth
    samples = 1 if _is_separate(page) else page.samplesperpixel
    if rows * columns * samples * page.dtype.itemsize > _LARGEST_PART:
        raise ImageError(
            f"{path} has parts of {rows}x{columns} pixels, which cannot be read by windows",
            hint="write it in tiles: gdal_translate -co TILED=YES in.tif out.tif",
        )


def _is_separate(page: Any) -> bool:
    return int(page.planarconfig) == 2 and page.samplesperpixel > 1  # noqa: PLR2004 - TIFF 6.0


def _put(out: NDArray[Any], part: NDArray[Any], plane: int, top: int, left: int) -> None:
    """Copy what a part (h, w, channels) and a window have in common."""
    height, width = part.shape[:2]
    y, x = slice(max(top, 0), max(top + height, 0)), slice(max(left, 0), max(left + width, 0))
    into = out[y, x, plane : plane + part.shape[2]] if part.shape[2] == 1 else out[y, x]
    from_y, from_x = max(-top, 0), max(-left, 0)
    into[:] = part[from_y : from_y + into.shape[0], from_x : from_x + into.shape[1]]
