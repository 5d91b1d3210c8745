"""Two folders, of images and of labels: here, in each part, or with each part inside of them.

images, labels      val/images, val/labels      images/val, labels/val
"""

from collections.abc import Iterator
from pathlib import Path

from segpp.datasets.layouts.base import LAYOUTS, Layout, Part, folders_in

_NAMES = (
    ("images", "labels"),
    ("images", "annotations"),
    ("images", "masks"),
    ("img_dir", "ann_dir"),
)
_USUAL = ("val", "validation", "test", "train", "training")


def _found(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Yield parts with their folders."""
    for images, labels in _NAMES:
        if not (folder / images).is_dir() or not (folder / labels).is_dir():
            continue
        inside = [name for name in _USUAL if (folder / labels / name).is_dir()]
        for name in inside:
            yield name, folder / images / name, folder / labels / name
        if not inside:
            yield ".", folder / images, folder / labels
        return
    for name in folders_in(folder, *_USUAL):
        for images, labels in _NAMES:
            part = folder / name
            if (part / images).is_dir() and (part / labels).is_dir():
                yield name, part / images, part / labels
                break


def _splits(folder: Path) -> list[str]:
    return [name for name, _, _ in _found(folder)]


def _parts(folder: Path, split: str) -> list[Part]:
    return [Part(images, labels) for name, images, labels in _found(folder) if name == split]


LAYOUTS.register("plain")(Layout("images and labels", _splits, _parts))
