"""Images with their labels: which file belongs to which, and what its pixels mean."""

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from segpp.errors import ImageError, InputError
from segpp.images.channels import ARRAY_SUFFIX, load_channels
from segpp.images.palette import Color
from segpp.images.preprocess import IMAGE_SUFFIXES, ImageArray
from segpp.utils.files import check_file

__all__ = [
    "LabelRules",
    "Labels",
    "Pair",
    "find_labels",
    "find_pairs",
    "load_labels",
    "load_pair",
]

Labels = NDArray[np.int32]

# Formats that keep class numbers; JPEG would change them.
_LABEL_SUFFIXES = frozenset({".bmp", ".gif", ".pgm", ".png", ".tif", ".tiff"})
_LABEL_FORMATS = ("BMP", "GIF", "PNG", "PPM", "TIFF")
_LABEL_MODES = {"1", "L", "P", "I", "I;16", "I;16B"}
_COLOR_MODES = {"RGB", "RGBA"}

_LISTED = 3
_NO_CLASS = 255


@dataclass(frozen=True)
class Pair:
    """An image and the labels of its pixels."""

    image: Path
    labels: Path


@dataclass(frozen=True)
class LabelRules:
    """What the pixels of label images mean.

    Attributes:
        palette: The colours of the classes, for labels in colour; black means "no class" where it
            is none of them, as in our own masks.
        offset: Added to every label but 255, which stays "no class". Colours have none.
        reduce_zero_label: Label 0 means "no class" and becomes 255; all others count down by one
            (ADE20K). Colours are not reduced.
    """

    palette: tuple[Color, ...] = ()
    offset: int = 0
    reduce_zero_label: bool = False

    @property
    def counted(self) -> bool:
        """Whether the numbers of a file are the classes themselves."""
        return not (self.offset or self.reduce_zero_label)


def find_pairs(
    images: Path, labels: Path, *, image_suffix: str = "", label_suffix: str = ""
) -> tuple[Pair, ...]:
    """Return the pairs of files with the same name, in the order of names.

    Subfolders are searched, and belong to the name; endings like ``.jpg`` do not.

    Args:
        images: The folder of images.
        labels: The folder of labels.
        image_suffix: What stands behind the common part of an image's name ("_leftImg8bit");
            files without it are passed over.
        label_suffix: The same for labels.

    Raises:
        ImageError: A folder is missing or empty, a file has no partner, or two have one name.
    """
    image_files = _by_name(images, image_suffix, IMAGE_SUFFIXES | {ARRAY_SUFFIX}, "images")
    label_files = _by_name(labels, label_suffix, _LABEL_SUFFIXES, "labels")
    _check_partners(image_files, label_files, f"labels in {labels}")
    _check_partners(label_files, image_files, f"image in {images}")
    return tuple(Pair(image_files[name], label_files[name]) for name in sorted(image_files))


def find_labels(
    images: Sequence[Path], labels: Path, *, image_suffix: str = "", label_suffix: str = ""
) -> dict[Path, Path]:
    """Return the file of labels of each image: the one with its name up to the ending.

    Args:
        images: From anywhere.
        labels: The folder of labels; subfolders are searched. Others than the images' may lie in
            it.
        image_suffix, label_suffix: As in ``find_pairs``.

    Raises:
        ImageError: The folder is missing or empty, an image has no labels, or two files would do.
    """
    by_name: dict[str, list[Path]] = {}
    for path in _by_name(labels, label_suffix, _LABEL_SUFFIXES, "labels").values():
        by_name.setdefault(_common(path, label_suffix), []).append(path)
    names = {image: _common(image, image_suffix) for image in images}
    _check_partners({name: image for image, name in names.items()}, by_name, f"labels in {labels}")
    for name in names.values():
        if len(by_name[name]) > 1:
            raise ImageError(f"two files of {labels} have one name", *map(str, by_name[name][:2]))
    return {image: by_name[name][0] for image, name in names.items()}


def load_pair(
    pair: Pair, rules: LabelRules | None = None, *, channels: int = 3
) -> tuple[ImageArray, Labels]:
    """Read an image (H, W, C) and its labels, which may be of another size (h, w).

    Args:
        pair: The files.
        rules: What the labels' pixels mean.
        channels: C, as many as the networks take.

    Raises:
        ImageError: One of the two cannot be read.
        InputError: They have different proportions, or the labels are no class numbers.
    """
    image = load_channels(pair.image, channels)
    labels = load_labels(pair.labels, rules)
    if not _in_proportion(image.shape[:2], labels.shape):
        raise InputError(
            f"{pair.image} and its labels have different proportions",
            f"image:  {image.shape[0]}x{image.shape[1]}",
            f"labels: {labels.shape[0]}x{labels.shape[1]} in {pair.labels}",
        )
    return image, labels


def load_labels(path: Path, rules: LabelRules | None = None) -> Labels:
    """Read class numbers (H, W): of one channel, of a palette the indices, or from colours.

    Args:
        path: An image that keeps its pixels: PNG, TIFF, BMP, GIF or PGM.
        rules: What its pixels mean; the numbers of the classes if None.

    Raises:
        ImageError: It is missing, not an image, damaged or truncated.
        InputError: A colour is none of the palette, or there is no palette.
    """
    check_file(path, kind="label image", error=ImageError)
    rules = rules or LabelRules()
    pixels = _decode(path)
    if pixels.ndim > 2:  # noqa: PLR2004 - (H, W, colours)
        return _from_colors(pixels[..., :3], rules.palette, path)
    labels: Labels = pixels.astype(np.int32)
    if rules.reduce_zero_label:
        labels = np.where(labels == 0, _NO_CLASS, labels)
        rules = replace(rules, offset=-1)
    moved: Labels = np.where(labels == _NO_CLASS, _NO_CLASS, labels + rules.offset)
    return moved


def _in_proportion(image: tuple[int, ...], labels: tuple[int, ...]) -> bool:
    # Whoever scales both sides and rounds them is off by less than one pixel on each.
    (height, width), (rows, columns) = image, labels
    return abs(rows * width - columns * height) < max(height, width)


def _from_colors(pixels: NDArray[Any], palette: tuple[Color, ...], path: Path) -> Labels:
    """Return the class (H, W) of each colour (H, W, 3)."""
    if not palette:
        raise InputError(
            f"{path} is a colour image, and no palette tells what its colours mean",
            hint="convert the colours to class numbers first",
        )
    known = {_number(color): label for label, color in reversed([*enumerate(palette)])}
    if len(known) < len(palette):
        raise InputError(
            f"{path} is a colour image, and two classes of the palette have one colour",
            hint="convert the colours to class numbers first",
        )
    known.setdefault(0, _NO_CLASS)
    numbers = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    present, place = np.unique(numbers, return_inverse=True)
    labels = np.array([known.get(number, -1) for number in present.tolist()], np.int32)
    classes: Labels = labels[place.reshape(numbers.shape)]
    if (labels < 0).any():
        row, column = np.argwhere(classes < 0)[0].tolist()
        red, green, blue = pixels[row, column].tolist()
        raise InputError(
            f"{path} holds the colour {red} {green} {blue} of no class, first at row {row}, "
            f"column {column}",
            f"the palette has {len(palette)} colours, from {' '.join(map(str, palette[0]))} on",
            hint="--palette FILE names the colours of the data set, one 'R G B' per line",
        )
    return classes


def _number(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]


def _by_name(folder: Path, suffix: str, suffixes: frozenset[str], contents: str) -> dict[str, Path]:
    if not folder.is_dir():
        raise ImageError(f"the folder of {contents} {folder} does not exist")
    by_name: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in suffixes or not path.stem.endswith(suffix):
            continue
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        name = path.relative_to(folder).with_name(_common(path, suffix)).as_posix()
        if name in by_name:
            raise ImageError(f"two files of {folder} have one name", str(by_name[name]), str(path))
        by_name[name] = path
    if not by_name:
        ends = f"*{suffix} with the ending " if suffix else ""
        raise ImageError(
            f"the folder {folder} holds no {contents}",
            f"looked for: {ends}{', '.join(sorted(suffixes))}",
            hint=_jpeg_hint(folder, suffixes),
        )
    return by_name


def _common(path: Path, suffix: str) -> str:
    """Return what a file's name has in common with its partner's."""
    return path.stem.removesuffix(suffix) or path.stem


def _jpeg_hint(folder: Path, suffixes: frozenset[str]) -> str | None:
    jpegs = {".jpg", ".jpeg"} - suffixes
    if not any(path.suffix.lower() in jpegs for path in folder.rglob("*")):
        return None
    return "it holds JPEG files, which do not keep class numbers: save the labels as PNG"


def _check_partners(names: dict[str, Path], partners: Collection[str], partner: str) -> None:
    alone = [names[name] for name in names if name not in partners]
    if alone:
        listed = [str(path) for path in alone[:_LISTED]]
        if len(alone) > _LISTED:
            listed.append(f"… and {len(alone) - _LISTED} more")
        raise ImageError(
            f"{len(alone)} of {len(names)} files have no {partner}",
            *listed,
            hint="names must be the same up to the ending, or up to "
            "`image_suffix` and `label_suffix`",
        )


def _decode(path: Path) -> NDArray[Any]:
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata and of 90 megapixels; from 180 on it refuses by itself.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_LABEL_FORMATS) as image:
                mode, pixels = image.mode, np.array(image)
    except UnidentifiedImageError as failure:
        formats = ", ".join(_LABEL_FORMATS)
        raise ImageError(f"{path} is not a label image", f"read are: {formats}") from failure
    except Exception as failure:  # a damaged file makes Pillow raise a dozen kinds of error
        raise ImageError(f"{path} is damaged", str(failure)) from failure
    if mode not in _LABEL_MODES | _COLOR_MODES:
        raise InputError(
            f"{path} is an image of mode {mode}",
            "labels have one channel of class numbers, or the colours of the classes",
            hint="convert it to class numbers first",
        )
    return pixels // _gray_step(path) if mode == "L" else pixels


def _gray_step(path: Path) -> int:
    """Return by what Pillow multiplied the values of a PNG with 2 or 4 bits of grey.

    Optimisers shrink label images to as few bits as the numbers need; Pillow then stretches the
    values to 0-255, which would turn class 1 into class 85 or 17.
    """
    with path.open("rb") as file:
        head = file.read(26)
    # Bit depth and colour type of the IHDR chunk, which is always the first.
    if head[:4] != b"\x89PNG" or head[25] != 0:
        return 1
    return {2: 85, 4: 17}.get(head[24], 1)
