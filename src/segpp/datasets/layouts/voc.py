"""Pascal VOC: ``JPEGImages``, ``SegmentationClass``, and the names of a part in a list.

Source: Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2015.
"""

from pathlib import Path

from segpp.datasets.layouts.base import LAYOUTS, Layout, Part
from segpp.errors import InputError

_LISTS = Path("ImageSets", "Segmentation")


def _home(folder: Path) -> Path | None:
    """Return the folder of a year, which may be given or lie inside: ``VOCdevkit/VOC2012``."""
    inside = [*sorted(folder.glob("VOC2*")), *sorted(folder.glob("VOCdevkit/VOC2*"))]
    homes = [home for home in (folder, *inside) if (home / "SegmentationClass").is_dir()]
    if len(homes) > 1 and homes[0] != folder:
        raise InputError(
            f"{folder} holds several years",
            ", ".join(map(str, homes)),
            hint=f"name one, or each for one score: `dataset={homes[-1]}`",
        )
    return homes[0] if homes else None


def _splits(folder: Path) -> list[str]:
    home = _home(folder)
    if home is None or not (home / "JPEGImages").is_dir():
        return []
    lists = sorted(path.stem for path in (home / _LISTS).glob("*.txt"))
    # Without a list all that has labels is meant.
    return sorted(lists, key="val".__ne__) or ["all"]


def _parts(folder: Path, split: str) -> list[Part]:
    home = _home(folder) or folder
    names = home / _LISTS / f"{split}.txt"
    place = Part(home / "JPEGImages", home / "SegmentationClass")
    return [Part(place.images, place.labels, names=names if names.exists() else None)]


LAYOUTS.register("voc")(Layout("Pascal VOC", _splits, _parts))
