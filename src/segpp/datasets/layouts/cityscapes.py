"""Cityscapes: ``leftImg8bit/val/town/x_leftImg8bit.png``, ``gtFine/val/town/x_gtFine_….png``.

Source: Cordts et al., CVPR 2016.
"""

from pathlib import Path

from segpp.datasets.layouts.base import LAYOUTS, Layout, Part, folders_in

_TRAIN_IDS, _IDS = "_gtFine_labelTrainIds", "_gtFine_labelIds"


def _splits(folder: Path) -> list[str]:
    labelled = folders_in(folder / "gtFine", "val", "train")
    return [name for name in labelled if (folder / "leftImg8bit" / name).is_dir()]


def _parts(folder: Path, split: str) -> list[Part]:
    labels = folder / "gtFine" / split
    # Train ids are made from ids by a script that not everybody has run.
    has_train_ids = any(labels.rglob(f"*{_TRAIN_IDS}.png"))
    return [
        Part(
            folder / "leftImg8bit" / split,
            labels,
            "_leftImg8bit",
            _TRAIN_IDS if has_train_ids else _IDS,
            label_map=None if has_train_ids else "cityscapes",
        )
    ]


LAYOUTS.register("cityscapes")(Layout("Cityscapes", _splits, _parts))
