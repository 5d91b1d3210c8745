"""LoveDA: ``Val/Rural`` and ``Val/Urban``, each with ``images_png`` and ``masks_png``; one score.

Source: Wang et al., LoveDA: A Remote Sensing Land-Cover Dataset, NeurIPS 2021; 0 is no data there.
"""

from pathlib import Path

from segpp.datasets.layouts.base import LAYOUTS, Layout, Part, folders_in

_PLACES = ("Rural", "Urban")


def _places(folder: Path) -> list[Path]:
    places = (folder / name for name in _PLACES)
    return [place for place in places if (place / "masks_png").is_dir()]


def _splits(folder: Path) -> list[str]:
    names = folders_in(folder, "Val", "val", "Train", "train")
    found = [name for name in names if _places(folder / name)]
    # One part may be given itself.
    return found or (["."] if _places(folder) else [])


def _parts(folder: Path, split: str) -> list[Part]:
    # What has pictures alone is a part too, whose labels are missing.
    everywhere = [folder / split / name for name in _PLACES]
    places = [place for place in everywhere if place.is_dir()]
    return [Part(place / "images_png", place / "masks_png") for place in places]


LAYOUTS.register("loveda")(Layout("LoveDA", _splits, _parts, reduce_zero_label=True))
