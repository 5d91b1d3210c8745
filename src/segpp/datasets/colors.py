"""Classes from colours: of pixels, or of the palette of a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import InputError
from segpp.images.palette import Color

__all__ = ["classes_of_colors", "numbers_of_palette"]

_NO_CLASS = 255
_WAY_OUT = "convert the colours to class numbers first"


def classes_of_colors(
    pixels: NDArray[Any], palette: Sequence[Color], path: Path
) -> NDArray[np.int32]:
    """Return the class (H, W) of each colour (H, W, 3); black is none unless the palette has it.

    Raises:
        InputError: A colour is none of the palette, there is none, or two classes share one.
    """
    known = _known(palette, path)
    numbers = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    present, place = np.unique(numbers, return_inverse=True)
    labels = np.array([known.get(number, -1) for number in present.tolist()], np.int32)
    classes: NDArray[np.int32] = labels[place.reshape(numbers.shape)]
    if (labels < 0).any():
        row, column = np.argwhere(classes < 0)[0].tolist()
        raise _unknown(pixels, (row, column), palette, path)
    return classes


def numbers_of_palette(
    indices: NDArray[Any], colors: NDArray[np.uint8], palette: Sequence[Color]
) -> NDArray[Any]:
    """Return what the indices (H, W) of a file's own palette stand for.

    A palette of greys alone is a way to store a grey picture in fewer bytes, in whatever order:
    its values count. Otherwise the index is the number, unless the colours used are the classes'
    colours at other places, or VOC's, which happens where a program packed the palette anew.

    Args:
        indices: Into ``colors``.
        colors: (N, 3), of the file.
        palette: Of the classes.
    """
    if (colors == colors[:, :1]).all():
        values: NDArray[Any] = colors[:, 0][indices]
        return values
    used = np.unique(indices)
    for known in (list(palette), _voc_colors()):
        if place := _moved(colors, used, known):
            table = np.zeros(len(colors), np.int32)
            table[used] = [place[int(index)] for index in used]
            classes: NDArray[Any] = table[indices]
            return classes
    return indices


def _moved(
    colors: NDArray[np.uint8], used: NDArray[Any], known: Sequence[Color]
) -> dict[int, int] | None:
    """Return the class of each index used, if all colours are known and one is elsewhere."""
    classes = {tuple(color): label for label, color in reversed([*enumerate(known)])}
    place = {int(i): classes.get(tuple(colors[i].tolist()), -1) for i in used}
    if not place or -1 in place.values():
        return None
    return place if any(index != label for index, label in place.items()) else None


def _voc_colors() -> list[Color]:
    """Return the 256 colours of Pascal VOC: three bits of the number to each channel, in turn."""
    colors = []
    for number in range(256):
        red = green = blue = 0
        for bit in range(8):
            rest = number >> (3 * bit)
            red |= (rest & 1) << (7 - bit)
            green |= (rest >> 1 & 1) << (7 - bit)
            blue |= (rest >> 2 & 1) << (7 - bit)
        colors.append((red, green, blue))
    return colors


def _known(palette: Sequence[Color], path: Path) -> dict[int, int]:
    if not palette:
        raise InputError(
            f"{path} is a colour image, and no palette tells what its colours mean", hint=_WAY_OUT
        )
    known = {_number(color): label for label, color in reversed([*enumerate(palette)])}
    if len(known) < len(palette):
        raise InputError(
            f"{path} is a colour image, and two classes of the palette have one colour",
            hint=_WAY_OUT,
        )
    known.setdefault(0, _NO_CLASS)
    return known


def _unknown(
    pixels: NDArray[Any], place: tuple[int, int], palette: Sequence[Color], path: Path
) -> InputError:
    row, column = place
    red, green, blue = pixels[row, column].tolist()
    facts = [f"the palette has {len(palette)} colours, from {' '.join(map(str, palette[0]))} on"]
    if (pixels == pixels[..., :1]).all():
        facts.append("all its pixels are grey: it may hold class numbers, three times over")
    return InputError(
        f"{path} holds the colour {red} {green} {blue} of no class, first at row {row}, "
        f"column {column}",
        *facts,
        hint="--palette FILE names the colours of the data set, one 'R G B' per line",
    )


def _number(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]
