"""Classes from colours: of pixels, or of the palette of a file."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.errors import InputError
from segpp.images.palette import Color

__all__ = ["classes_of_colors", "numbers_of_palette"]

_NO_CLASS = 255
_WAY_OUT = "convert the colours to class numbers first"
# Fewer colours of a palette are as they are by chance.
_ENOUGH, _ENOUGH_MOVED = 8, 2


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
    indices: NDArray[Any], colors: NDArray[np.uint8], palette: Sequence[Color], path: Path
) -> tuple[NDArray[Any], bool]:
    """Return what the indices (H, W) of a file's own palette stand for, and if that is classes.

    A palette of greys alone is a way to store a grey picture in fewer bytes, in whatever order:
    its values count. Otherwise the index is the number, unless the colours used are the classes'
    colours at other places, or VOC's, which happens where a program packed the palette anew.
    Classes are what they are; numbers may still have to be mapped to classes.

    Args:
        indices: Into ``colors``.
        colors: (N, 3), of the file.
        palette: Of the classes.
        path: The file, for messages.

    Raises:
        InputError: It cannot be told whether indices or colours count.
    """
    used = np.unique(indices)
    is_gray = bool((colors == colors[:, :1]).all())
    if used[-1] >= len(colors):
        # Some programs save the colours of a few numbers alone, and no program shows such files.
        if is_gray and (colors[:, 0] != np.arange(len(colors))).any():
            raise InputError(f"{path} has {len(colors)} colours, and pixels of number {used[-1]}")
        return indices, False
    if is_gray:
        return colors[:, 0][indices], False
    if _is_vocs_own(colors):
        return indices, False
    if (classes := _classes_at(colors, used, palette, path)) is not None:
        return _looked_up(classes, indices), True
    if (numbers := _vocs_numbers(colors, used)) is not None:
        return _looked_up(numbers, indices), False
    _check_unmixed(_places(colors, used, palette), colors, path)
    return indices, False


def _looked_up(numbers: Mapping[int, int], indices: NDArray[Any]) -> NDArray[np.int32]:
    table = np.zeros(max(numbers) + 1, np.int32)
    table[[*numbers]] = [*numbers.values()]
    found: NDArray[np.int32] = table[indices]
    return found


def _places(
    colors: NDArray[np.uint8], used: NDArray[Any], known: Sequence[Color]
) -> dict[int, int]:
    """Return the number that each index used has among known colours; -1 for none.

    Where several have one colour, an index is itself.
    """
    numbers = {tuple(color): number for number, color in reversed([*enumerate(known)])}
    found = {}
    for index in used.tolist():
        color = tuple(colors[index].tolist())
        in_place = index < len(known) and tuple(known[index]) == color
        found[index] = index if in_place else numbers.get(color, -1)
    return found


def _classes_at(
    colors: NDArray[np.uint8], used: NDArray[Any], palette: Sequence[Color], path: Path
) -> dict[int, int] | None:
    """Return the class of each index, if all colours are the classes' and not all in place."""
    places = _places(colors, used, palette)
    black = [i for i, label in places.items() if label < 0 and not colors[i].any()]
    others = {index: label for index, label in places.items() if index not in black}
    if not others or -1 in others.values():
        return None
    if all(index == label for index, label in others.items()):
        if not black:
            return None
        if 0 in black:
            raise InputError(
                f"{path} has black as its first colour and the classes' colours behind it",
                f"it may be class 0, whose colour is {' '.join(map(str, palette[0]))}, or no class",
                hint="if it is class 0: --palette FILE, with 0 0 0 as its first line",
            )
    return {**others, **dict.fromkeys(black, _NO_CLASS)}


def _is_vocs_own(colors: NDArray[np.uint8]) -> bool:
    """Return whether a palette is VOC's, or its beginning: many programs save labels with it."""
    return len(colors) >= _ENOUGH and colors.tolist() == [
        list(color) for color in _voc_colors()[: len(colors)]
    ]


def _vocs_numbers(colors: NDArray[np.uint8], used: NDArray[Any]) -> dict[int, int] | None:
    """Return VOC's number of each index, if the palette has VOC's colours alone."""
    # Sixteen colours that old programs give to pictures have some of VOC's among them.
    every = _places(colors, np.arange(len(colors)), _voc_colors())
    if -1 in every.values():
        return None
    return {index: every[index] for index in used.tolist()}


def _check_unmixed(places: Mapping[int, int], colors: NDArray[np.uint8], path: Path) -> None:
    """Raise InputError if colours are the classes' at other places, but for some."""
    known = {index: label for index, label in places.items() if label >= 0}
    moved = sum(index != label for index, label in known.items())
    # One or the other is in place by chance.
    if moved < _ENOUGH_MOVED or moved <= len(known) - moved:
        return
    other = min(index for index in places if index not in known)
    raise InputError(
        f"{path} has colours of the classes in another order, and beside them "
        f"{' '.join(map(str, colors[other].tolist()))} of no class",
        "its numbers are no classes then, and its colours are not all known",
        hint=_WAY_OUT,
    )


@cache
def _voc_colors() -> tuple[Color, ...]:
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
    return tuple(colors)


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
