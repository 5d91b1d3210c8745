"""Mapillary Vistas: ``validation/images``, ``validation/v2.0/labels`` (or v1.2, or ``labels``).

The last of its 124 (v1.2: 66) numbers is "Unlabeled".

Source: Neuhold et al., The Mapillary Vistas Dataset for Semantic Understanding of Street Scenes,
ICCV 2017.
"""

from pathlib import Path

from segpp.datasets.layouts.base import LAYOUTS, Layout, Part, folders_in

# The number of "Unlabeled" by release; the first had no folder of its own, but instances.
_RELEASES = {"v2.0/labels": 123, "v1.2/labels": 65, "labels": 65}


def _kind(folder: Path) -> str | None:
    for kind in _RELEASES:
        if (folder / kind).is_dir() and (kind != "labels" or (folder / "instances").is_dir()):
            return kind
    return None


def _splits(folder: Path) -> list[str]:
    names = folders_in(folder, "validation", "training")
    return [name for name in names if (folder / name / "images").is_dir() and _kind(folder / name)]


def _parts(folder: Path, split: str) -> list[Part]:
    home, kind = folder / split, _kind(folder / split) or "labels"
    return [Part(home / "images", home / kind, ignored=frozenset({_RELEASES[kind]}))]


LAYOUTS.register("mapillary")(Layout("Mapillary Vistas", _splits, _parts))
