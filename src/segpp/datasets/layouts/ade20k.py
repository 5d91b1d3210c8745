"""ADE20K as in the scene parsing challenge: ``images/validation``, ``annotations/validation``.

Source: Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017; 0 is no class there.
"""

from pathlib import Path

from segpp.datasets.layouts.base import LAYOUTS, Layout, Part, folders_in

_SPLITS = ("validation", "training")


def _splits(folder: Path) -> list[str]:
    found = folders_in(folder / "annotations", *_SPLITS)
    return [name for name in found if name in _SPLITS and _is_ade(folder / "annotations" / name)]


def _is_ade(labels: Path) -> bool:
    """Return whether these are ADE20K's own: many sets lie so, and count from 0."""
    return any(labels.glob("ADE_*.png"))


def _parts(folder: Path, split: str) -> list[Part]:
    return [Part(folder / "images" / split, folder / "annotations" / split)]


LAYOUTS.register("ade20k")(Layout("ADE20K", _splits, _parts, reduce_zero_label=True))
