"""CamVid as published with SegNet: ``val`` beside ``valannot``; 11 is no class.

Source: Badrinarayanan, Kendall, Cipolla, SegNet, TPAMI 2017; Brostow et al., 2009.
"""

from pathlib import Path

from segpp.datasets.layouts.base import LAYOUTS, Layout, Part, folders_in


def _splits(folder: Path) -> list[str]:
    names = folders_in(folder, "val", "test", "train")
    return [name for name in names if f"{name}annot" in names]


def _parts(folder: Path, split: str) -> list[Part]:
    return [Part(folder / split, folder / f"{split}annot")]


LAYOUTS.register("camvid")(Layout("CamVid", _splits, _parts, ignored=frozenset({11})))
