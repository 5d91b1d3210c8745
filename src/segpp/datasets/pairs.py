"""Pictures and labels of one name."""

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segpp.datasets.files import common_name, files_by_name
from segpp.datasets.labels import LABEL_SUFFIXES, LabelRules, Labels, load_labels
from segpp.errors import ImageError, InputError, PictureWarning
from segpp.images.channels import ARRAY_SUFFIX, load_channels
from segpp.images.preprocess import IMAGE_SUFFIXES, ImageArray
from segpp.images.stored import count_pages

__all__ = ["Pair", "files_of", "find_labels", "find_pairs", "load_pair"]

_LISTED = 3
_IMAGES = IMAGE_SUFFIXES | {ARRAY_SUFFIX}


# Reads a picture (H, W, C).
Read = Callable[[Path], ImageArray]


@dataclass(frozen=True)
class Pair:
    """An image and the labels of its pixels."""

    image: Path
    labels: Path


def find_pairs(
    images: Path, labels: Path, *, image_suffix: str = "", label_suffix: str = ""
) -> tuple[Pair, ...]:
    """Return the pairs of files with the same name, in the order of names.

    Sub-folders are searched, and belong to the name; endings like ``.jpg`` do not. Of patterns
    (``data/*/rgb/*.png``) the name is what the stars stand for.

    Args:
        images: The folder of images, or a pattern.
        labels: The folder of labels, or a pattern; may be the images' own.
        image_suffix: What stands behind the common part of an image's name ("_leftImg8bit");
            files without it are passed over.
        label_suffix: The same for labels.

    Raises:
        ImageError: A folder is missing or empty, a file has no partner, or two have one name.
        InputError: Both are one folder, and nothing tells labels from images.
    """
    image_files, label_files = files_of(images, labels, image_suffix, label_suffix)
    _check_partners(image_files, label_files, f"labels in {labels}")
    _check_partners(label_files, image_files, f"image in {images}")
    return tuple(Pair(image_files[name], label_files[name]) for name in sorted(image_files))


def files_of(
    images: Path, labels: Path, image_suffix: str, label_suffix: str
) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the files of both sides by the name that partners share, whether or not they have any.

    Args:
        images, labels, image_suffix, label_suffix: As in ``find_pairs``.

    Raises:
        ImageError: A folder is missing or empty, or two files have one name.
        InputError: Both are one folder, and nothing tells labels from images.
    """
    beside = images.exists() and labels.exists() and images.samefile(labels)
    if beside and image_suffix == label_suffix:
        raise InputError(
            f"images and labels are both in {images}, and their names do not tell them apart",
            hint="say how the names of labels end, as `label_suffix=_L`",
        )
    image_files = files_by_name(
        images, image_suffix, _IMAGES, "images", without=label_suffix if beside else ""
    )
    label_files = files_by_name(
        labels, label_suffix, LABEL_SUFFIXES, "labels", without=image_suffix if beside else ""
    )
    return image_files, label_files


def find_labels(
    images: Sequence[Path], labels: Path, *, image_suffix: str = "", label_suffix: str = ""
) -> dict[Path, Path]:
    """Return the file of labels of each image: the one with its name up to the ending.

    Args:
        images: From anywhere.
        labels: The folder of labels; sub-folders are searched. Others than the images' may lie in
            it.
        image_suffix, label_suffix: As in ``find_pairs``.

    Raises:
        ImageError: The folder is missing or empty, an image has no labels, or two files would do.
    """
    by_name: dict[str, list[Path]] = {}
    for path in files_by_name(labels, label_suffix, LABEL_SUFFIXES, "labels").values():
        by_name.setdefault(common_name(Path(path.name), label_suffix), []).append(path)
    names = {image: common_name(Path(image.name), image_suffix) for image in images}
    _check_partners({name: image for image, name in names.items()}, by_name, f"labels in {labels}")
    for name in names.values():
        if len(by_name[name]) > 1:
            raise ImageError(f"two files of {labels} have one name", *map(str, by_name[name][:2]))
    return {image: by_name[name][0] for image, name in names.items()}


def load_pair(
    pair: Pair, rules: LabelRules | None = None, *, read: Read = load_channels
) -> tuple[ImageArray, Labels]:
    """Read an image (H, W, C) and its labels, which may be of another size (h, w).

    Args:
        pair: The files.
        rules: What the labels' numbers mean.
        read: Reads the image as the networks take it.

    Raises:
        ImageError: One of the two cannot be read.
        InputError: They have different proportions, or the labels are no class numbers.

    Of an image of several pages or frames the first is read, with a PictureWarning.
    """
    image = read(pair.image)
    if (pages := count_pages(pair.image)) > 1:
        warnings.warn(
            f"{pair.image} has {pages} pages or frames, and the first alone is scored",
            PictureWarning,
            stacklevel=2,
        )
    labels = load_labels(pair.labels, rules)
    if not _in_proportion(image.shape[:2], labels.shape):
        raise InputError(
            f"{pair.image} and its labels have different proportions",
            f"image:  {image.shape[0]}x{image.shape[1]}",
            f"labels: {labels.shape[0]}x{labels.shape[1]} in {pair.labels}",
        )
    return image, labels


def _in_proportion(image: tuple[int, ...], labels: tuple[int, ...]) -> bool:
    # Whoever scales both sides and rounds them is off by less than one pixel on each.
    (height, width), (rows, columns) = image, labels
    return abs(rows * width - columns * height) < max(height, width)


def _check_partners(names: Mapping[str, Path], partners: Collection[str], partner: str) -> None:
    alone = {name: path for name, path in names.items() if name not in partners}
    if not alone:
        return
    listed = [str(path) for path in [*alone.values()][:_LISTED]]
    if len(alone) > _LISTED:
        listed.append(f"… and {len(alone) - _LISTED} more")
    raise ImageError(
        f"{len(alone)} of {len(names)} files have no {partner}",
        *listed,
        *_nearly(alone, partners),
        hint="names must be the same up to the ending, or up to `image_suffix` and "
        "`label_suffix`; --list names what is to be used",
    )


def _nearly(alone: Mapping[str, Path], partners: Collection[str]) -> list[str]:
    """Return a sentence where all names would match but for what is told."""
    folded = {name.casefold() for name in partners}
    if all(name.casefold() in folded for name in alone):
        return ["they match but for upper and lower case"]
    one = min(alone)
    longer = [name for name in partners if name.startswith(one) and name != one]
    if longer:
        suffix = min(longer, key=len).removeprefix(one)
        if all(f"{name}{suffix}" in partners for name in alone):
            return [f"there they are, with {suffix!r} behind their names"]
    shorter = max((name for name in partners if one.startswith(name)), key=len, default=one)
    suffix = one.removeprefix(shorter)
    if suffix and all(name.removesuffix(suffix) in partners for name in alone):
        return [f"there they are, without {suffix!r} behind their names"]
    return []
