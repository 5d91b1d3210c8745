"""Colors for class numbers: palettes, masks in colour, and overlays on the image."""

import colorsys
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import InputError
from segpp.utils.files import check_file

__all__ = ["Color", "colorize", "default_palette", "overlay", "read_class_names", "read_palette"]

Color = tuple[int, int, int]

# The golden angle never lands near an earlier hue soon; the shades tell apart what it cannot.
_GOLDEN_TURN = 0.6180339887498949
_SHADES = ((0.75, 0.95), (0.95, 0.60), (0.45, 1.00))

_MAX_BYTES = 1 << 20
_STRIP_ROWS = 128


def default_palette(count: int) -> tuple[Color, ...]:
    """Return ``count`` distinct colours, none of them black: black means "no class".

    The first colours do not depend on ``count``.
    """
    colors: dict[Color, None] = {}
    step = 0
    while len(colors) < count:
        # Later rounds darken: rounding to 8 bits would repeat colours after some hundreds.
        fade = 1.0 - 0.5 * ((step // 512) % 64) / 64
        saturation, value = _SHADES[step % len(_SHADES)]
        rgb = colorsys.hsv_to_rgb((step * _GOLDEN_TURN) % 1.0, saturation, value * fade)
        colors[round(rgb[0] * 255), round(rgb[1] * 255), round(rgb[2] * 255)] = None
        step += 1
    return tuple(colors)


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read class names: one per line, or as JSON a list or an object ``{"0": name, …}``.

    Raises:
        InputError: The file is missing, not text, or holds something else.
    """
    if path.suffix.lower() == ".json":
        names = _listed(_json(path, "label file"), path)
        if not all(isinstance(name, str) for name in names):
            raise InputError(f"{path} holds something else than class names")
        return tuple(names)
    return tuple(text for _, text in _lines(path, "label file"))


def read_palette(path: Path) -> tuple[Color, ...]:
    """Read colours: one ``R G B`` (0-255) per line, or as JSON a list of ``[R, G, B]``.

    Raises:
        InputError: The file is missing, not text, or a line is not a colour.
    """
    if path.suffix.lower() == ".json":
        rows = _listed(_json(path, "colour file"), path)
        return tuple(_color(row, f"{path}, entry {i}") for i, row in enumerate(rows))
    return tuple(
        _color(re.split(r"[\s,]+", text), f"{path}, line {number}")
        for number, text in _lines(path, "colour file")
    )


def colorize(labels: NDArray[Any], palette: tuple[Color, ...]) -> NDArray[np.uint8]:
    """Return the class numbers (H, W) as colours (H, W, 3); those without a colour are black."""
    painted: NDArray[np.uint8] = _table(palette)[_rows_of_table(labels, len(palette))]
    return painted


def overlay(
    image: NDArray[np.uint8],
    labels: NDArray[Any],
    palette: tuple[Color, ...],
    alpha: float = 0.5,
) -> NDArray[np.uint8]:
    """Return the image (H, W, 3) with its classes painted over it.

    Args:
        labels: Class numbers (H, W); pixels without a colour keep the image.
        alpha: Share of the colour, 0 to 1.
    """
    if image.shape != (*labels.shape, 3):
        raise InputError(f"an image {image.shape} and labels {labels.shape} do not fit together")
    if not 0.0 <= alpha <= 1.0:
        raise InputError(f"alpha is {alpha}", "expected: between 0 (image) and 1 (colours)")
    share = round(alpha * 256)
    # In 1/256 and 16 bits: 255 * 256 + 128 still fits, and 0 and 1 come out exact.
    paint = _table(palette).astype(np.uint16) * np.uint16(share) + np.uint16(128)
    keep = np.full(len(paint), 256 - share, np.uint16)
    paint[-1], keep[-1] = 128, 256
    painted = np.empty_like(image)
    for top in range(0, len(image), _STRIP_ROWS):
        strip = slice(top, top + _STRIP_ROWS)
        rows = _rows_of_table(labels[strip], len(palette))
        blend = image[strip].astype(np.uint16)
        blend *= keep[rows][..., None]
        blend += paint[rows]
        blend >>= 8
        painted[strip] = blend
    return painted


def _table(palette: tuple[Color, ...]) -> NDArray[np.uint8]:
    return np.array([*palette, (0, 0, 0)], np.uint8)


def _rows_of_table(labels: NDArray[Any], colors: int) -> NDArray[Any]:
    """Return the row of the table for each label: the last, black, for those without a colour."""
    if labels.dtype == np.uint8:
        # A gather of 256 values beats comparisons over the whole image.
        rows: NDArray[Any] = np.minimum(np.arange(256), colors)[labels]
        return rows
    return np.where((labels < 0) | (labels >= colors), colors, labels)


def _color(row: Any, where: str) -> Color:
    try:
        red, green, blue = (int(value) for value in row)
    except (TypeError, ValueError, OverflowError) as failure:
        raise InputError(f"{where}: {row!r:.60} is not a colour", "expected: R G B") from failure
    if not all(0 <= value <= 255 for value in (red, green, blue)):  # noqa: PLR2004 - 8 bits
        raise InputError(f"{where}: the colour {row!r:.60} leaves 0-255")
    return red, green, blue


def _listed(value: Any, path: Path) -> list[Any]:
    if isinstance(value, dict):
        # Hugging Face's id2label: the keys are the class numbers.
        value = [value.get(str(i)) for i in range(len(value))]
    if not isinstance(value, list) or not value:
        raise InputError(f"{path} holds no list")
    return value


def _lines(path: Path, kind: str) -> list[tuple[int, str]]:
    lines = [(i, line.strip()) for i, line in enumerate(_text(path, kind).splitlines(), start=1)]
    filled = [(i, line) for i, line in lines if line]
    if not filled:
        raise InputError(f"{kind} {path} has only empty lines")
    return filled


def _json(path: Path, kind: str) -> Any:
    try:
        return json.loads(_text(path, kind))
    except (ValueError, RecursionError) as failure:
        raise InputError(f"{kind} {path} is not JSON", str(failure)) from failure


def _text(path: Path, kind: str) -> str:
    check_file(path, kind=kind)
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{kind} {path} is {path.stat().st_size:,} bytes, too large to be one")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as failure:
        raise InputError(f"{kind} {path} is not text") from failure
