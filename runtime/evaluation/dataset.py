"""Images with their labels: which file belongs to which, and what its pixels mean."""

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from segpp.errors import ImageError, InputError
from segpp.images.preprocess import IMAGE_SUFFIXES, ImageArray, load_image
from segpp.utils.files import check_file

__all__ = ["Labels", "Pair", "check_known_labels", "find_pairs", "load_labels", "load_pair"]

Labels = NDArray[np.int32]

# Formats that keep class numbers; JPEG would change them.
_LABEL_SUFFIXES = frozenset({".bmp", ".gif", ".pgm", ".png", ".tif", ".tiff"})
_LABEL_FORMATS = ("BMP", "GIF", "PNG", "PPM", "TIFF")
_LABEL_MODES = {"1", "L", "P", "I", "I;16", "I;16B"}

_LISTED = 3
_NO_CLASS = 255


@dataclass(frozen=True)
class Pair:
    """An image and the labels of its pixels."""

    image: Path
    labels: Path


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
    image_files = _by_name(images, image_suffix, IMAGE_SUFFIXES, "images")
    label_files = _by_name(labels, label_suffix, _LABEL_SUFFIXES, "labels")
    _check_partners(image_files, label_files, f"labels in {labels}")
    _check_partners(label_files, image_files, f"image in {images}")
    return tuple(Pair(image_files[name], label_files[name]) for name in sorted(image_files))


def load_pair(pair: Pair, *, reduce_zero_label: bool = False) -> tuple[ImageArray, Labels]:
    """Read an image (H, W, 3) and its labels (H, W).

    Raises:
        ImageError: One of the two cannot be read.
        InputError: They have different sizes, or the labels are no class numbers.
    """
    image = load_image(pair.image)
    labels = load_labels(pair.labels, reduce_zero_label=reduce_zero_label)
    if image.shape[:2] != labels.shape:
        raise InputError(
            f"{pair.image} and its labels have different sizes",
            f"image:  {image.shape[0]}x{image.shape[1]}",
            f"labels: {labels.shape[0]}x{labels.shape[1]} in {pair.labels}",
        )
    return image, labels


def load_labels(path: Path, *, reduce_zero_label: bool = False) -> Labels:
    """Read class numbers (H, W) from an image with one channel; of a palette image the indices.

    Args:
        reduce_zero_label: Label 0 means "no class" and becomes 255; all others count down by one
            (ADE20K).

    Raises:
        ImageError: It is missing, not an image, damaged or truncated.
        InputError: It has several channels: colours, not class numbers.
    """
    check_file(path, kind="label image", error=ImageError)
    labels = _decode(path).astype(np.int32)
    if not reduce_zero_label:
        return labels
    reduced: Labels = np.where((labels == 0) | (labels == _NO_CLASS), _NO_CLASS, labels - 1)
    return reduced


def check_known_labels(labels: Labels, classes: int, ignored: Collection[int], path: Path) -> None:
    """Check that every pixel's label is a class or to be ignored.

    Args:
        labels: (H, W).
        classes: K; the classes are 0 to K - 1.
        ignored: Other labels that may occur.
        path: The file they are from, for the message.

    Raises:
        InputError: A label is neither.
    """
    present = np.unique(labels)
    unknown = present[(present >= classes) & ~np.isin(present, list(ignored))].tolist()
    if unknown:
        more = ",".join(map(str, sorted({*ignored, *unknown})))
        raise InputError(
            f"{path} holds the label {unknown[0]}, which is no class",
            f"the model has classes 0 to {classes - 1}",
            f"ignored labels: {', '.join(map(str, sorted(ignored))) or 'none'}",
            hint=f"if its pixels are not to count: `ignore={more}`",
        )


def _by_name(folder: Path, suffix: str, suffixes: frozenset[str], contents: str) -> dict[str, Path]:
    if not folder.is_dir():
        raise ImageError(f"the folder of {contents} {folder} does not exist")
    by_name: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in suffixes or not path.stem.endswith(suffix):
            continue
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        stem = path.stem.removesuffix(suffix)
        name = path.relative_to(folder).with_name(stem or path.stem).as_posix()
        if name in by_name:
            raise ImageError(f"two files of {folder} have one name", str(by_name[name]), str(path))
        by_name[name] = path
    if not by_name:
        ends = f"*{suffix} with the ending " if suffix else ""
        raise ImageError(
            f"the folder {folder} holds no {contents}",
            f"looked for: {ends}{', '.join(sorted(suffixes))}",
        )
    return by_name


def _check_partners(names: dict[str, Path], partners: dict[str, Path], partner: str) -> None:
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
    if mode not in _LABEL_MODES:
        raise InputError(
            f"{path} is a colour image (mode {mode})",
            "labels have one channel, which holds class numbers",
            hint="convert the colours to class numbers first",
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
