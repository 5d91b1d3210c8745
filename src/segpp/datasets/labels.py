"""The numbers of a label file, as they are stored, in whatever container.

    one channel            the numbers: of any depth and sign, floats where they are whole; TIFFs in
                           which white is zero as well
    a palette of greys     the grey values
    another palette        the indices; or the classes of the colours, where these are the classes'
                           at other places
    three or four channels the classes of the colours, by the manifest's palette
    grey and transparency  the grey

A file that changes numbers (JPEG and the like) is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.datasets.colors import classes_of_colors, numbers_of_palette
from segpp.errors import ImageError, InputError
from segpp.images.palette import Color
from segpp.images.stored import Stored, read_stored
from segpp.images.stored.base import upright
from segpp.utils.files import check_file

__all__ = ["LABEL_SUFFIXES", "LabelRules", "Labels", "load_labels"]

Labels = NDArray[np.int32]

# What label files end with, where a folder is searched; JPEG would change them.
LABEL_SUFFIXES = frozenset(
    {".bmp", ".gif", ".npy", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff"}
)

_NO_CLASS = 255
_COLORS = (3, 4)
_LOSSY = (b"\xff\xd8\xff", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51", b"RIFF")
_LIMITS = np.iinfo(np.int32)


@dataclass(frozen=True)
class LabelRules:
    """What the numbers of label files mean, in the order in which it is applied.

    Attributes:
        palette: The colours of the classes, for labels in colour; black means "no class" where it
            is none of them, as in our own masks.
        label_map: Class of each number; a number that is not in it is no class and an error.
        offset: Added to every label but 255, which stays "no class". Colours have none.
        reduce_zero_label: Label 0 means "no class" and becomes 255; all others count down by one
            (ADE20K). Colours are not reduced.
        foreground: The number that stands for class 1, as 255 in masks of 0 and 255; None for 1.
    """

    palette: tuple[Color, ...] = ()
    offset: int = 0
    reduce_zero_label: bool = False
    label_map: Mapping[int, int] | None = None
    foreground: int | None = None

    @property
    def counted(self) -> bool:
        """Whether the numbers of a file are the classes themselves."""
        changed = self.label_map is not None or self.foreground is not None
        return not (self.offset or self.reduce_zero_label or changed)


def load_labels(path: Path, rules: LabelRules | None = None) -> Labels:
    """Read class numbers (H, W).

    Args:
        path: A file that keeps its numbers: PNG, TIFF, BMP, GIF, PGM or ``.npy``.
        rules: What they mean; the numbers of the classes if None.

    Raises:
        ImageError: It is missing, none of these, damaged or truncated.
        InputError: Its numbers are no labels: of several pages, fractions, colours of no class.
        MissingError: It is a TIFF that only tifffile reads, which is not installed.
    """
    check_file(path, kind="label image", error=ImageError)
    rules = rules or LabelRules()
    _check_lossless(path)
    stored = read_stored(path)
    if stored.lossy:
        raise _changed(path, f"TIFF with {stored.lossy} inside")
    if stored.pages > 1:
        raise InputError(f"{path} has {stored.pages} pages", "labels of one picture are one page")
    return upright(_classes(stored, rules, path), stored.orientation)


def _classes(stored: Stored, rules: LabelRules, path: Path) -> Labels:
    if _in_color(stored):
        return classes_of_colors(_eight_bits(stored, path)[..., :3], rules.palette, path)
    numbers, are_classes = _numbers(stored, path), False
    if stored.palette is not None:
        numbers, are_classes = numbers_of_palette(numbers, stored.palette, rules.palette, path)
    whole = _whole(numbers, path)
    return whole if are_classes else _meant(whole, rules, path)


def _check_lossless(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(12)
    if head.startswith(_LOSSY):
        raise _changed(path, "JPEG, WebP")


def _changed(path: Path, kind: str) -> ImageError:
    return ImageError(
        f"{path} is a picture whose format does not keep class numbers ({kind})",
        hint="save the labels as PNG",
    )


def _in_color(stored: Stored) -> bool:
    return stored.array.ndim > 2 and stored.array.shape[2] in _COLORS  # noqa: PLR2004 - (H, W, C)


def _eight_bits(stored: Stored, path: Path) -> NDArray[Any]:
    pixels = stored.array
    if stored.space:
        raise InputError(
            f"{path} holds colours as {stored.space}",
            "labels have one channel of class numbers, or the colours of the classes as RGB",
        )
    if pixels.dtype != np.uint8:
        raise InputError(
            f"{path} has {pixels.shape[2]} channels of {pixels.dtype}",
            "labels have one channel of class numbers, or the colours of the classes in 8 bits",
        )
    return pixels


def _numbers(stored: Stored, path: Path) -> NDArray[Any]:
    array = stored.array
    if array.ndim == 2:  # noqa: PLR2004 - (H, W)
        return array
    # Of two channels without a word, each may be a class of its own.
    if array.ndim == 3 and array.shape[2] == 1 + stored.extra:  # noqa: PLR2004 - (H, W, C)
        return array[..., 0]
    raise InputError(
        f"{path} holds numbers of the shape {array.shape}",
        "labels have one channel of class numbers, or the colours of the classes",
    )


def _whole(numbers: NDArray[Any], path: Path) -> Labels:
    if numbers.dtype.kind == "f":
        wrong = ~(numbers == np.round(numbers))
        if wrong.any():
            row, column = np.argwhere(wrong)[0].tolist()
            raise InputError(
                f"{path} holds {numbers[row, column]} at row {row}, column {column}",
                "labels are whole numbers",
            )
    if numbers.dtype.kind not in "biuf":
        raise InputError(f"{path} holds {numbers.dtype}, no numbers")
    for extreme in (numbers.min().item(), numbers.max().item()):
        if not _LIMITS.min <= extreme <= _LIMITS.max:
            raise InputError(f"{path} holds the label {extreme}, which no data set has")
    return numbers.astype(np.int32)


def _meant(labels: Labels, rules: LabelRules, path: Path) -> Labels:
    if rules.label_map is not None:
        return _mapped(labels, rules.label_map, path)
    if rules.foreground is not None:
        labels = np.where(labels == rules.foreground, 1, labels)
    if rules.reduce_zero_label:
        labels = np.where(labels == 0, _NO_CLASS, labels)
        rules = replace(rules, offset=-1)
    moved = np.where(labels == _NO_CLASS, _NO_CLASS, labels.astype(np.int64) + rules.offset)
    return _whole(moved, path)


def _mapped(labels: Labels, label_map: Mapping[int, int], path: Path) -> Labels:
    present = np.unique(labels)
    unknown = [number for number in present.tolist() if number not in label_map]
    if unknown:
        raise InputError(
            f"{path} holds the label {unknown[0]}, which the label map does not have",
            f"it has {len(label_map)} numbers, from {min(label_map)} to {max(label_map)}",
        )
    classes = np.array([label_map[number] for number in present.tolist()], np.int32)
    found: Labels = classes[np.searchsorted(present, labels)]
    return found
