"""Pictures to calibrate on, and their labels: from folders of data sets, or a folder of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segpp.datasets.find import DataConfig, DataSet, find_dataset, is_dataset
from segpp.datasets.label_maps.base import find_label_map
from segpp.datasets.labels import LabelRules
from segpp.datasets.pairs import find_labels
from segpp.errors import InputError
from segpp.manifest import Classes

__all__ = ["Labelled", "labelled_pictures", "rules_of"]


@dataclass(frozen=True)
class Labelled:
    """Pictures, and what is known of their labels.

    Attributes:
        sources: Of pictures: folders, patterns, lists and files, as they were given; of a data set
            its pictures.
        data: The data set, if one was given.
    """

    sources: tuple[str, ...]
    data: DataSet | None = None

    def files(
        self, pictures: Sequence[Path], folder: Path | None, suffixes: tuple[str, str]
    ) -> Mapping[Path, Path] | None:
        """Return the labels of each picture; None if there are none.

        Args:
            pictures: The pictures.
            folder: Of labels, which goes before those of the data set.
            suffixes: What the names of images and labels end in.
        """
        if folder is not None:
            image, label = suffixes
            return find_labels(pictures, folder, image_suffix=image, label_suffix=label)
        if self.data is None:
            return None
        labels = {pair.image: pair.labels for pair in self.data.pairs}
        return {picture: labels[picture] for picture in pictures}


def labelled_pictures(
    sources: Sequence[str], *, split: str | None, suffixes: tuple[str, str]
) -> Labelled:
    """Return the pictures that sources name; of a folder of a known layout those of one part.

    Args:
        sources: Of pictures.
        split: The part of a data set.
        suffixes: What the names of images and labels end in.

    Raises:
        InputError: Only some sources are data sets, or none is and a part is asked for.
    """
    known = [source for source in sources if is_dataset(Path(source))]
    if not known:
        if split is not None:
            raise InputError(f"`split` {split} is a part of a data set, and no folder is one")
        return Labelled(tuple(sources))
    if len(known) < len(sources):
        other = next(source for source in sources if source not in known)
        raise InputError(
            f"{known[0]} has labels, and {other} has none",
            hint="give the folder of its images for pictures alone",
        )
    config = DataConfig(tuple(map(Path, known)), split, None, None, *suffixes)
    data = find_dataset(config)
    return Labelled(tuple(str(pair.image) for pair in data.pairs), data)


def rules_of(classes: Classes, data: DataSet | None, label_map: str | None) -> LabelRules:
    """Return what the numbers of label files mean.

    Args:
        classes: Of the model.
        data: Where they are from, if that is known.
        label_map: A label map that goes before it.
    """
    colors = data.palette if data and data.palette else classes.palette
    data = data.meant_for(len(classes.names)) if data and not label_map else data
    name = label_map or (data.label_map if data else None)
    if name is not None:
        return LabelRules(colors, label_map=find_label_map(name))
    reduces = classes.reduce_labels or (data is not None and data.reduce_zero_label)
    return LabelRules(colors, reduce_zero_label=reduces)
