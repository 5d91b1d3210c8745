"""TIFFs too large for the memory, read by windows.

The parts of the file that a window lies on are unpacked, and kept until the windows have passed.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.errors import ImageError, SegppError
from segpp.images.channels import as_channels
from segpp.images.picture import check_band_numbers, finished
from segpp.images.preprocess import ImageArray
from segpp.images.stored.base import Stored, damaged, most_pixels, plain
from segpp.images.stored.tiff import (
    bits_of,
    check_segment,
    check_type,
    check_whole,
    extra_of,
    is_separate,
    main_pages,
    orientation_in,
    palette_of,
    quiet,
    segment_shape,
    space_of,
)
from segpp.images.white import (
    AUTO,
    MAX,
    WhiteCount,
    brightest_of,
    check_white,
    is_scaled,
    warn_if_dark,
)
from segpp.manifest import InputSpec

__all__ = ["Mosaic", "open_mosaic"]

_LARGEST_PART = 1 << 30
_UPRIGHT = 1
_WHITE_IS_ZERO = 0
_CMYK = "CMYK"
# Pillow's own JPEG may have turned the inks round.
_JPEG = {6, 7, 33007, 34892}


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
            raise ImageError(
                f"{path} has {1 + len(others)} pages, and one is read by windows", hint=_whole()
            )
        self._parts: dict[int, NDArray[Any]] = {}
        self._brightest = 0.0
        _check(path, self._page)
        self.shape = (int(self._page.imagelength), int(self._page.imagewidth), spec.channels)
        self._rows, self._columns = segment_shape(self._page)
        self._colors = self._color_bands()
        self._white = spec.white
        if spec.white == AUTO and is_scaled(self._page.dtype):
            self._white = check_white(self._counted_white())

    def __getitem__(self, window: tuple[slice, slice]) -> ImageArray:
        """Return the pixels of two slices without steps, as the network takes them."""
        rows, columns = (
            part.indices(side)[:2] for part, side in zip(window, self.shape, strict=False)
        )
        with _told(self._path):
            raw = self._raw(rows, columns)
            if self._white is None and palette_of(self._page) is None:
                for band in self._colors:
                    self._brightest = max(self._brightest, brightest_of(raw[:, :, band - 1]))
            stored = self._stored(raw)
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
        if space_of(page) == _CMYK:
            inks = Image.fromarray(np.ascontiguousarray(array[:, :, :4]), _CMYK)
            return Stored(np.array(inks.convert("RGB")))
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
    def _grid(self) -> tuple[int, int]:
        return -(-self.shape[0] // self._rows), -(-self.shape[1] // self._columns)

    def _numbers(self, rows: Sequence[int], columns: Sequence[int]) -> list[int]:
        down, across = self._grid
        planes = self._page.samplesperpixel if is_separate(self._page) else 1
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
            check_segment(self._path, page, data)
            part, _, shape = page.decode(data, number, jpegtables=page.jpegtables)
            self._parts[number] = part.reshape(shape)[0]
        return self._parts[number]

    def _color_bands(self) -> Sequence[int]:
        """Return the bands that are looked at where values are: those of the picture."""
        samples = self._page.samplesperpixel
        if self._spec.bands is not None:
            if space_of(self._page) is None and palette_of(self._page) is None:
                check_band_numbers(self._path, samples, self._spec.bands)
            return self._spec.bands
        return range(1, samples + 1 - extra_of(self._page, samples))

    def _counted_white(self) -> float:
        """Return what ``auto`` means for all of it: the values of all parts are counted first."""
        count = WhiteCount(self._page.dtype)
        for top in range(0, self.shape[0], self._rows):
            rows = self._raw((top, min(top + self._rows, self.shape[0])), (0, self.shape[1]))
            for band in self._colors:
                count.add(rows[:, :, band - 1])
        self._parts.clear()
        return count.white()


def open_mosaic(path: Path, spec: InputSpec) -> Mosaic:
    """Return a TIFF of any size as windows (H, W, C) of what a network takes.

    Raises:
        ImageError: It is damaged, has several pages, or parts too large to be unpacked.
    """
    import tifffile  # noqa: PLC0415 - comes with an extra

    with _told(path), quiet():
        file = tifffile.TiffFile(path, _multifile=False)
        try:
            return Mosaic(path, file, spec)
        except BaseException:
            file.close()
            raise


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what tifffile and its codecs raise into an error that says that a file is damaged."""
    try:
        yield
    except SegppError:
        raise
    except MemoryError as failure:
        raise ImageError(f"{path} is too large for the memory") from failure
    except Exception as failure:  # each codec has its own
        raise damaged(path, failure) from failure


def _whole() -> str:
    return (
        "name a .png for the mask: then it is read whole, "
        f"if it has not more than {most_pixels():,} pixels"
    )


def _check(path: Path, page: Any) -> None:
    check_type(path, page)
    check_whole(path, page)
    if what := _not_by_windows(page):
        raise ImageError(f"{path} is {what}, which is not read by windows", hint=_whole())
    rows = page.tilelength if page.is_tiled else page.rowsperstrip
    columns = page.tilewidth if page.is_tiled else page.imagewidth
    samples = 1 if is_separate(page) else page.samplesperpixel
    if rows * columns * samples * page.dtype.itemsize > _LARGEST_PART:
        raise ImageError(
            f"{path} has parts of {rows}x{columns} pixels, which cannot be read by windows",
            hint="write it in tiles: gdal_translate -co TILED=YES in.tif out.tif",
        )


def _not_by_windows(page: Any) -> str | None:
    if (turn := orientation_in(page)) != _UPRIGHT:
        return f"turned (orientation {turn})"
    space = space_of(page)
    if space != _CMYK:
        return space
    if page.dtype != np.uint8:
        return f"{_CMYK} of {bits_of(page)} bits"
    is_packed = int(page.compression) in _JPEG
    return f"{_CMYK} as JPEG" if is_packed or page.samplesperpixel < len(_CMYK) else None


def _put(out: NDArray[Any], part: NDArray[Any], plane: int, top: int, left: int) -> None:
    """Copy what a part (h, w, channels) and a window have in common."""
    height, width = part.shape[:2]
    y, x = slice(max(top, 0), max(top + height, 0)), slice(max(left, 0), max(left + width, 0))
    into = out[y, x, plane : plane + part.shape[2]] if part.shape[2] == 1 else out[y, x]
    from_y, from_x = max(-top, 0), max(-left, 0)
    into[:] = part[from_y : from_y + into.shape[0], from_x : from_x + into.shape[1]]
