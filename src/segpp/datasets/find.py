"""What is to be scored: from folders of a known layout, from two folders or patterns, or a list."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

from segpp.datasets.label_maps.base import LABEL_MAPS, NO_CLASS
from segpp.datasets.layouts.base import LAYOUTS, Layout, Part
from segpp.datasets.listing import pairs_of_list
from segpp.datasets.pairs import Pair, files_of, find_pairs
from segpp.errors import ImageError, InputError
from segpp.images.palette import Color
from segpp.utils.choices import check_choice

__all__ = ["DataConfig", "DataSet", "find_dataset", "is_dataset"]

_USUAL = ("val", "test", "train")
# What a layout calls a folder that is no part of another.
_WHOLE = "."
_WAYS = "`images` and `labels`, or `dataset`, or `listed`"


@dataclass(frozen=True)
class DataConfig:
    """Where data is.

    Attributes:
        dataset: Folders of known layouts, scored as one.
        split: The part of each, "val"; None for the one that is usual.
        images: A folder of images, or a pattern; instead of ``dataset``.
        labels: The same of labels.
        image_suffix: End of the images' names that their partners lack.
        label_suffix: The same of labels.
        listed: A file of names, or of pictures with their labels.
    """

    dataset: tuple[Path, ...] = ()
    split: str | None = None
    images: Path | None = None
    labels: Path | None = None
    image_suffix: str = ""
    label_suffix: str = ""
    listed: Path | None = None


@dataclass(frozen=True)
class DataSet:
    """Pictures with labels, and what is known of them.

    Attributes:
        pairs: The files, in order.
        notes: What was found, a sentence each.
        ignored: Labels that are no class, besides the usual 255.
        reduce_zero_label: Whether 0 is no class and the others count down by one.
        label_map: A name of ``LABEL_MAPS``; None if numbers are classes.
        palette: Colours of the classes; none if they are not known.
    """

    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()
    ignored: frozenset[int] = frozenset()
    reduce_zero_label: bool = False
    label_map: str | None = None
    palette: tuple[Color, ...] = ()

    def meant_for(self, classes: int) -> "DataSet":
        """Return what is known of the labels, as far as a model of so many classes can mean it.

        Folders of other sets may be named like those of a known one.

        Raises:
            InputError: The labels would be mapped to another number of classes.
        """
        if self.label_map:
            mapped = len({*LABEL_MAPS[self.label_map].values()} - {NO_CLASS})
            if mapped != classes:
                raise InputError(
                    f"the labels are mapped to {mapped} classes, the model has {classes}",
                    *self.notes,
                    hint="if its labels are other numbers: `images` and `labels`, or a `label_map`",
                )
        # What is no class has the number behind them, or the last.
        named = sorted(label for label in self.ignored if label < classes - 1)
        if not named:
            return self
        note = f"of {classes} classes {named[0]} is one, and counts; `ignore` leaves it out"
        return replace(self, ignored=self.ignored - {*named}, notes=(*self.notes, note))


def find_dataset(config: DataConfig) -> DataSet:
    """Return what is to be scored.

    Raises:
        ImageError: A folder is missing or empty, or a file has no partner.
        InputError: Nothing says where the data is, or a folder is of no known layout.
    """
    found = _found(config)
    return replace(found, notes=(*found.notes, *_counted_twice(found.pairs)))


def _found(config: DataConfig) -> DataSet:
    _check_ways(config)
    if config.dataset:
        found = [_known(folder, config) for folder in config.dataset]
        return reduce(_joined, found)
    if config.listed is not None:
        folders = None
        if config.images and config.labels:
            suffixes = (config.image_suffix, config.label_suffix)
            folders = files_of(config.images, config.labels, *suffixes)
        pairs = pairs_of_list(config.listed, folders)
        return DataSet(pairs, (f"{_counted(pairs)} of the list {config.listed.name}",))
    if config.images is None or config.labels is None:
        raise InputError("say where the data is: nothing is given", hint=_WAYS)
    return DataSet(
        find_pairs(
            config.images,
            config.labels,
            image_suffix=config.image_suffix,
            label_suffix=config.label_suffix,
        )
    )


def is_dataset(folder: Path) -> bool:
    """Return whether a folder is laid out as a known data set."""
    return folder.is_dir() and any(LAYOUTS[name].splits(folder) for name in LAYOUTS)


def _check_ways(config: DataConfig) -> None:
    """Raise InputError unless the arguments say one thing."""
    one_side = (config.images is None) is not (config.labels is None)
    if config.dataset and (config.images or config.labels):
        raise InputError(
            "say where the data is: `dataset` stands for both `images` and `labels`", hint=_WAYS
        )
    if one_side:
        lacking = "labels" if config.images else "images"
        raise InputError(f"say where the data is: `{lacking}` is missing", hint=_WAYS)
    if config.images and config.images == config.labels and is_dataset(config.images):
        raise InputError(
            f"{config.images} is a data set with images and labels in folders of their own",
            hint=f"name it as one: `dataset={config.images}`",
        )
    if config.split is not None and not config.dataset:
        raise InputError("`split` names a part of a `dataset`, and none is given")


def _known(folder: Path, config: DataConfig) -> DataSet:
    if not folder.is_dir():
        raise ImageError(f"the folder of data {folder} does not exist")
    layout, splits = _layout_of(folder)
    split = config.split or _usual(splits, folder)
    _check_has_parts(split, splits, folder)
    check_choice(split, splits, kind=f"part of {folder}")
    parts = layout.parts(folder, split)
    found = tuple(pair for part in parts for pair in _pairs(part, config))
    maps = {part.label_map or layout.label_map for part in parts}
    label_map = maps.pop() if len(maps) == 1 else None
    ignored = layout.ignored.union(*(part.ignored for part in parts))
    names = f"{split} of {folder}" if split != _WHOLE else str(folder)
    told = [f"{layout.title}: {names}, {_counted(found)}"]
    if label_map:
        told.append(f"the numbers of its labels are mapped to classes: `label_map={label_map}`")
    if layout.reduce_zero_label:
        told.append("label 0 is no class there, and label k stands for class k - 1")
    if ignored:
        told.append(f"no class there: {', '.join(map(str, sorted(ignored)))}")
    return DataSet(found, tuple(told), ignored, layout.reduce_zero_label, label_map, layout.palette)


def _check_has_parts(split: str, splits: Sequence[str], folder: Path) -> None:
    """Raise InputError where a part is named of a folder that is one itself."""
    if split not in splits and list(splits) == [_WHOLE]:
        raise InputError(
            f"{folder} has no parts, and {split!r:.80} is asked for",
            "its pictures and labels lie in it directly",
            hint="leave out `split`",
        )


def _usual(splits: Sequence[str], folder: Path) -> str:
    """Return the part that is meant where none is named."""
    first = splits[0]
    if len(splits) > 1 and not any(name in first.lower() for name in _USUAL):
        raise InputError(
            f"{folder} has several parts, and none has a usual name",
            ", ".join(splits),
            hint=f"`split={first}` names one",
        )
    return first


def _layout_of(folder: Path) -> tuple[Layout, list[str]]:
    fitting = [(name, list(LAYOUTS[name].splits(folder))) for name in LAYOUTS]
    fitting = [(name, splits) for name, splits in fitting if splits]
    # Known data sets before two folders of whatever.
    fitting.sort(key=lambda one: one[0] == "plain")
    if not fitting:
        titles = ", ".join(LAYOUTS[name].title for name in LAYOUTS)
        raise ImageError(
            f"{folder} is laid out as no known data set",
            f"known are: {titles}",
            hint="name its two folders: `images` and `labels`",
        )
    if len(fitting) > 1 and fitting[1][0] != "plain":
        both = " and ".join(LAYOUTS[name].title for name, _ in fitting[:2])
        raise InputError(
            f"{folder} could be {both}", hint="name its two folders: `images` and `labels`"
        )
    name, splits = fitting[0]
    return LAYOUTS[name], splits


def _pairs(part: Part, config: DataConfig) -> Iterator[Pair]:
    suffixes = (
        config.image_suffix or part.image_suffix,
        config.label_suffix or part.label_suffix,
    )
    names = config.listed or part.names
    if names is not None:
        yield from pairs_of_list(names, files_of(part.images, part.labels, *suffixes))
        return
    yield from find_pairs(
        part.images, part.labels, image_suffix=suffixes[0], label_suffix=suffixes[1]
    )


def _counted(pairs: tuple[Pair, ...]) -> str:
    return f"{len(pairs)} picture{'s' * (len(pairs) != 1)}"


def _counted_twice(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield a sentence if a list, or several folders, name some more than once."""
    times = Counter(pair.image for pair in pairs)
    more = [image for image, count in times.items() if count > 1]
    if more:
        yield f"named more than once, and counted so, are {len(more)} pictures, as {more[0]}"


def _joined(one: DataSet, other: DataSet) -> DataSet:
    """Return two data sets as one, whose labels must mean the same."""
    if (one.reduce_zero_label, one.label_map) != (other.reduce_zero_label, other.label_map):
        raise InputError(
            "the numbers of the data sets mean different things, and cannot be one score",
            *one.notes,
            *other.notes,
        )
    return replace(
        one,
        pairs=one.pairs + other.pairs,
        notes=one.notes + other.notes,
        ignored=one.ignored | other.ignored,
    )
