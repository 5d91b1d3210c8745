"""UAVid: ``uavid_val/seq16/Images`` and ``Labels`` in the colours of eight classes; one score.

Source: Lyu et al., UAVid: A Semantic Segmentation Dataset for UAV Imagery, ISPRS 2020.
"""

from pathlib import Path

from segpp.datasets.layouts.base import LAYOUTS, Layout, Part, folders_in

_PALETTE = (
    (0, 0, 0),
    (128, 0, 0),
    (128, 64, 128),
    (192, 0, 192),
    (0, 128, 0),
    (128, 128, 0),
    (64, 64, 0),
    (64, 0, 128),
)


def _sequences(folder: Path) -> list[Path]:
    # Parts of other sets have such folders too: "val" and "train" are no sequences of one part.
    found = [folder / name for name in folders_in(folder) if name.startswith("seq")]
    with_images = [one for one in found if (one / "Images").is_dir()]
    # Where some are labelled, labels of others are missing; of the test part all are.
    return with_images if any((one / "Labels").is_dir() for one in with_images) else []


def _splits(folder: Path) -> list[str]:
    names = folders_in(folder, "uavid_val", "uavid_test", "uavid_train")
    found = [name.removeprefix("uavid_") for name in names if _sequences(folder / name)]
    return found or (["."] if _sequences(folder) else [])


def _parts(folder: Path, split: str) -> list[Part]:
    named = folder / f"uavid_{split}"
    place = named if named.is_dir() else folder / split
    return [Part(one / "Images", one / "Labels") for one in _sequences(place)]


LAYOUTS.register("uavid")(Layout("UAVid", _splits, _parts, palette=_PALETTE))
