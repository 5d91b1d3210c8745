"""What a layout is: folders by which a data set is known, and what its labels mean.

    LAYOUTS.register("kitti")(
        Layout("KITTI", splits, parts_of, label_map="cityscapes")
    )

``splits`` names the parts of a folder that is one, in the order in which they are proposed; none if
it is another data set. ``parts_of`` tells where images and labels of a part lie.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from segpp.images.palette import Color
from segpp.utils.registry import Registry

__all__ = ["LAYOUTS", "Layout", "Part", "folders_in"]


@dataclass(frozen=True)
class Part:
    """Where images and labels lie.

    Attributes:
        images: Their folder, or a pattern.
        labels: Theirs.
        image_suffix: End of the images' names that their partners lack.
        label_suffix: The same of labels.
        names: A file of the names to use, if not all are.
        label_map: Of these labels alone, where a data set has several kinds.
        ignored: Likewise.
    """

    images: Path
    labels: Path
    image_suffix: str = ""
    label_suffix: str = ""
    names: Path | None = None
    label_map: str | None = None
    ignored: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Layout:
    """How a data set lies on disks.

    Attributes:
        title: What it is called.
        splits: Of a folder: the names of its parts, the first is taken where none is asked for;
            empty if it is no such data set.
        parts: Of a folder and a split: where files lie; several are scored as one.
        ignored: Labels that are no class, besides 255.
        reduce_zero_label: Whether 0 is no class and the others count down by one.
        label_map: Class of each number, a name of ``LABEL_MAPS``.
        palette: Colours of the classes, where labels are coloured.
    """

    title: str
    splits: Callable[[Path], Sequence[str]]
    parts: Callable[[Path, str], Sequence[Part]]
    ignored: frozenset[int] = frozenset()
    reduce_zero_label: bool = False
    label_map: str | None = None
    palette: tuple[Color, ...] = ()


LAYOUTS: Registry[Layout] = Registry("segpp.datasets.layouts", "layout")


def folders_in(folder: Path, *wanted: str) -> list[str]:
    """Return the names of sub-folders, those that are wanted first and in that order."""
    found = (
        sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    )
    first = [name for name in wanted if name in found]
    return [*first, *(name for name in found if name not in first)]
