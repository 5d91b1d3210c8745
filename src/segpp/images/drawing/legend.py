"""What the colours mean: a legend of the classes that occur, the largest first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segpp.images.drawing.contours import contours
from segpp.images.drawing.text import Font, drawable, shortened
from segpp.images.palette import Color
from segpp.images.preprocess import ImageArray

__all__ = [
    "INK",
    "PAPER",
    "UNSEEN",
    "Entry",
    "add_legend",
    "entries_of",
    "legend_inside",
    "percent",
    "text_height",
    "without_shares",
]

PAPER, INK = (255, 255, 255), (32, 32, 32)
# Of what a network did not see.
UNSEEN = (128, 128, 128)

# Read when the whole picture fits on a screen; no smaller than a screen can show.
_SIDE_PER_TEXT = 60
_LEAST_TEXT = 12
# In heights of the text.
_ROW, _WIDEST, _GAP = 1.6, 18, 0.7
# A legend inside never takes more than this of each side: an eighth of the picture at most.
_INSIDE_HEIGHT, _INSIDE_WIDTH = 0.4, 0.3
_VEIL = 0.82
_LEAST_SHARE = 0.0005
# Of a film's panel: so many at least, and of small films up to a share of the picture's height.
_FILM_ROWS, _FILM_HEIGHT = 2, 0.3


@dataclass(frozen=True)
class Entry:
    """One class of a legend; ``share`` of the picture's pixels, 0 to 1, or None for none.

    Without a color it is what no color is painted over.
    """

    number: int
    name: str
    color: Color | None
    share: float | None


def entries_of(
    labels: NDArray[Any],
    names: Sequence[str],
    palette: Sequence[Color],
    *,
    every: bool = False,
    unseen: int | None = None,
) -> list[Entry]:
    """Return an entry for each class that occurs in the labels (H, W), the largest first.

    Args:
        names: By class number; a class without a name is called by its number.
        palette: A colour by class number.
        every: List the classes that do not occur too, all in the order of their numbers: the
            legend of a film must not jump about.
        unseen: The label of what a crop leaves out, which is the last entry if it occurs.
    """
    known = labels[(labels >= 0) & (labels < len(palette))]
    shares = np.bincount(known.astype(np.intp), minlength=len(palette)) / max(labels.size, 1)
    order = range(len(palette)) if every else np.argsort(-shares, kind="stable").tolist()
    called = dict(enumerate(names))
    entries = [
        Entry(i, called.get(i, str(i)), palette[i], float(shares[i]))
        for i in order
        if every or shares[i] > 0
    ]
    missed = 0.0 if unseen is None else float((labels == unseen).mean())
    return [*entries, Entry(-1, "not seen", None, missed)] if missed else entries


def without_shares(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries without numbers, for pictures whose shares would be of one of several."""
    return [replace(entry, share=None) for entry in entries]


def text_height(height: int, width: int) -> int:
    """Return the height of text, in pixels, that can be read in a picture of that size."""
    return max(_LEAST_TEXT, round(max(height, width) / _SIDE_PER_TEXT))


def add_legend(picture: ImageArray, entries: Sequence[Entry], *, film: bool = False) -> ImageArray:
    """Return the picture (H, W, 3) with a panel: below a wide one, to the right of a tall one.

    Args:
        film: The panel has the same size whatever occurs, and few rows.
    """
    height, width = picture.shape[:2]
    size = text_height(height, width)
    if height > width and not film:
        column = _cells(entries, size)
        panel = _sheet(column, size, columns=1, least=(0, height))
        return _joined(picture, panel, below=False)
    cells = _cells(entries, size)
    columns = _columns(cells, size, width)
    if film:
        rows = max(_FILM_ROWS, int(_FILM_HEIGHT * height / (_ROW * size)))
        cells = _cut(cells, columns * rows)
    return _joined(picture, _sheet(cells, size, columns, least=(width, 0)), below=True)


def legend_inside(
    picture: ImageArray, entries: Sequence[Entry], labels: NDArray[Any], *, film: bool = False
) -> ImageArray:
    """Return the picture with the legend on it, in the corner where the least happens.

    It covers at most an eighth of it; what does not fit is counted, not listed.
    """
    height, width = picture.shape[:2]
    size = max(_LEAST_TEXT, round(0.8 * text_height(height, width)))
    rows = int((_INSIDE_HEIGHT * height - 2 * _GAP * size) / (_ROW * size))
    cells = _cells(entries, size, widest=_INSIDE_WIDTH * width)
    if rows < 1 or cells.width + 2 * _GAP * size > _INSIDE_WIDTH * width + 1:
        return picture
    sheet = np.asarray(_sheet(_cut(cells, rows), size, columns=1))
    corner = (0, 1) if film else _quietest(labels, sheet.shape[:2])
    return _veiled(picture, sheet, corner)


@dataclass(frozen=True)
class _Cells:
    """The lines of a legend, each with its colour, None for text alone; ``width`` in pixels."""

    lines: tuple[tuple[str, Color | None], ...]
    width: float


def _cells(entries: Sequence[Entry], size: int, widest: float = 0) -> _Cells:
    """Return the entries as lines, their names cut to a width that fits into a column."""
    room = (widest or _WIDEST * size) - 2 * _GAP * size
    lines, width = [], 0.0
    for entry in entries:
        text, font = _name_of(entry, size)
        share = "" if entry.share is None else f"  {percent(entry.share)}"
        # A width that does not depend on the numbers keeps the columns of a film where they are.
        end = font.getlength("  100.0%" if share else "")
        text = shortened(text, font, max(room - end - _ROW * size, 2 * size))
        lines.append((text + share, entry.color))
        width = max(width, font.getlength(text) + end)
    return _Cells(tuple(lines), width + _ROW * size)


def percent(share: float) -> str:
    """Return a share as text; what is there is not nothing: ``<0.1%``."""
    return "<0.1%" if 0 < share < _LEAST_SHARE else f"{share:.1%}"


def _name_of(entry: Entry, size: int) -> tuple[str, Font]:
    text, font = drawable(entry.name, size)
    # Of a script that no font here has, question marks are left; the number says more.
    return (text, font) if any(map(str.isalnum, text)) else drawable(f"class {entry.number}", size)


def _cut(cells: _Cells, count: int) -> _Cells:
    """Return at most ``count`` lines; the last of a cut list says how many are missing."""
    if len(cells.lines) <= count:
        return cells
    missing = len(cells.lines) - count + 1
    return _Cells((*cells.lines[: count - 1], (f"and {missing} more", None)), cells.width)


def _columns(cells: _Cells, size: int, width: int) -> int:
    gap = _GAP * size
    return max(1, min(len(cells.lines), int((width - gap) / (cells.width + 2 * gap))))


def _sheet(cells: _Cells, size: int, columns: int, least: tuple[int, int] = (0, 0)) -> Image.Image:
    """Return the lines on paper, row by row; ``least`` is the width and height to fill."""
    rows = -(-len(cells.lines) // columns)
    gap, pitch = _GAP * size, cells.width + 2 * _GAP * size
    width = max(least[0], round(columns * pitch + gap))
    height = max(least[1], round(rows * _ROW * size + 2 * gap)) if rows else least[1]
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (text, color) in enumerate(cells.lines):
        row, column = divmod(number, columns)
        _draw_line(pen, (gap + column * pitch, gap + row * _ROW * size), size, text, color)
    return sheet


def _draw_line(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    size: int,
    text: str,
    color: Color | None,
) -> None:
    left, middle = at[0], at[1] + _ROW * size / 2
    if color is not None:
        box = (left, middle - size / 2, left + size, middle + size / 2)
        # Framed, or a white class would be white on white.
        pen.rectangle(box, color, INK, max(1, size // 14))
        left += 1.5 * size
    words, font = drawable(text, size)
    pen.text((left, middle), words, INK, font, anchor="lm")


def _joined(picture: ImageArray, panel: Image.Image, *, below: bool) -> ImageArray:
    height, width = picture.shape[:2]
    whole = (
        (max(width, panel.width), height + panel.height)
        if below
        else (width + panel.width, max(height, panel.height))
    )
    sheet = Image.new("RGB", whole, PAPER)
    sheet.paste(Image.fromarray(picture), (0, 0))
    sheet.paste(panel, (0, height) if below else (width, 0))
    return np.array(sheet)


def _quietest(labels: NDArray[Any], size: tuple[int, int]) -> tuple[int, int]:
    """Return the corner (right, lower), each 0 or 1, whose part holds the shortest contours."""
    lines, (height, width) = contours(labels), size
    parts = {
        (right, lower): lines[
            len(lines) - height if lower else 0 : None if lower else height,
            lines.shape[1] - width if right else 0 : None if right else width,
        ]
        for right in (0, 1)
        for lower in (1, 0)
    }
    return min(parts, key=lambda corner: int(parts[corner].sum()))


def _veiled(picture: ImageArray, sheet: ImageArray, corner: tuple[int, int]) -> ImageArray:
    height, width = sheet.shape[:2]
    top = picture.shape[0] - height if corner[1] else 0
    left = picture.shape[1] - width if corner[0] else 0
    drawn: ImageArray = picture.copy()
    part = drawn[top : top + height, left : left + width]
    # Its text and swatches stay as they are; only the paper lets the picture through.
    paper = (sheet == PAPER).all(-1)
    veil = (_VEIL * 255 + (1 - _VEIL) * part).astype(np.uint8)
    part[:] = np.where(paper[..., None], veil, sheet)
    return drawn
