"""COCO-Stuff: ``images/val2017`` or ``val2017``, with ``stuffthingmaps/val2017`` or annotations.

Source: Caesar, Uijlings, Ferrari, CVPR 2018; mmsegmentation's script writes ``_labelTrainIds``.
"""

from pathlib import Path

from segpp.datasets.layouts.base import LAYOUTS, Layout, Part, folders_in

_TRAIN_IDS = "_labelTrainIds"
_PLACES = ("annotations", "stuffthingmaps", "stuffthingmaps_trainval2017")
_SPLITS = ("val2017", "train2017", "val2014", "train2014")


def _labels(folder: Path, split: str) -> Path | None:
    places = [folder / place / split for place in _PLACES]
    return next((place for place in places if any(place.glob("*.png"))), None)


def _images(folder: Path, split: str) -> Path:
    inside = folder / "images" / split
    return inside if inside.is_dir() else folder / split


def _splits(folder: Path) -> list[str]:
    names = {*folders_in(folder), *folders_in(folder / "images")}
    return [name for name in _SPLITS if name in names and _labels(folder, name)]


def _parts(folder: Path, split: str) -> list[Part]:
    labels = _labels(folder, split) or folder
    is_train_ids = any(labels.glob(f"*{_TRAIN_IDS}.png"))
    return [
        Part(
            _images(folder, split),
            labels,
            label_suffix=_TRAIN_IDS if is_train_ids else "",
            label_map=None if is_train_ids else "coco-stuff",
        )
    ]


LAYOUTS.register("coco-stuff")(Layout("COCO-Stuff", _splits, _parts))
