"""KITTI's semantic segmentation: ``training/image_2``, ``training/semantic`` with Cityscapes' ids.

Source: Alhaija et al., Augmented Reality Meets Computer Vision, IJCV 2018.
"""

from pathlib import Path

from segpp.datasets.layouts.base import LAYOUTS, Layout, Part, folders_in


def _splits(folder: Path) -> list[str]:
    names = folders_in(folder, "training")
    return [
        name
        for name in names
        if (folder / name / "semantic").is_dir() and (folder / name / "image_2").is_dir()
    ]


def _parts(folder: Path, split: str) -> list[Part]:
    return [Part(folder / split / "image_2", folder / split / "semantic")]


LAYOUTS.register("kitti")(Layout("KITTI", _splits, _parts, label_map="cityscapes"))
