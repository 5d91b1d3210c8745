"""Arguments that every training takes, checked name for name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from segpp.api._labelled import Labelled, labelled_pictures
from segpp.api._types import checked_settings, to_size
from segpp.datasets.find import DataConfig, DataSet, find_dataset, is_dataset
from segpp.datasets.layouts.base import LAYOUTS
from segpp.errors import InputError
from segpp.export.checkpoints.choices import ReadChoices
from segpp.export.models.base import Checkpoint, classes_of
from segpp.export.reduction.config import ReductionChoice
from segpp.images.picture import check_bands
from segpp.images.white import check_white
from segpp.manifest.consistency import MOST
from segpp.utils import arguments

if TYPE_CHECKING:
    from segpp.api._truth import Truth
    from segpp.train.scores import Scored

__all__ = [
    "common_settings",
    "ignored_of",
    "labelled_data",
    "positive",
    "scored_by",
    "to_score",
    "truth_for",
]

T = TypeVar("T")

_MINUTES = 30.0
# What torch's generators take.
_MOST_SEED = (1 << 63) - 1
# The part of a data set, where it has one.
_TO_LEARN_FROM = "train"


def common_settings(sources: tuple[str, ...], **given: Any) -> dict[str, Any]:
    """Return what ``TrainingConfig`` takes.

    Args:
        sources: Of pictures.
        given: The arguments of a function of the API, by their names there.

    Raises:
        InputError: One is none.
    """
    steps = arguments.optional(positive, "steps", given["steps"])
    minutes = arguments.optional(_time, "minutes", given["minutes"])
    return {
        "checkpoint": arguments.path("checkpoint", given["checkpoint"]),
        "out": arguments.path("output", given["output"]),
        "pictures": sources,
        "reduction": ReductionChoice(
            arguments.optional(arguments.text, "preset", given["preset"]),
            arguments.optional(arguments.number, "ratio", given["ratio"]),
            arguments.several(arguments.text, "reduce", given["reduce"]),
        ),
        "match_interval": _interval("match_interval", given["match_interval"]),
        "size": to_size(given["size"]),
        "choices": ReadChoices(
            arguments.optional(arguments.text, "checkpoint_format", given["checkpoint_format"]),
            arguments.optional(arguments.text, "prefix", given["prefix"]),
            arguments.text("weights", given["weights"]),
            arguments.several(arguments.text, "ignore_tensors", given["ignore_tensors"]),
            _numbers(arguments.whole_number, "heads", given["heads"]),
            arguments.optional(arguments.text, "colors", given["colors"]),
        ),
        "mean": _numbers(arguments.number, "mean", given["mean"]),
        "std": _numbers(arguments.number, "std", given["std"]),
        "fit": arguments.optional(arguments.text, "fit", given["fit"]),
        "white": check_white(given["white"]),
        "bands": check_bands(given["bands"]),
        "minutes": _MINUTES if minutes is None and steps is None else minutes,
        "steps": steps,
        "batch": positive("batch", given["batch"]),
        "learning_rate": arguments.number("learning_rate", given["learning_rate"], least=0),
        "gate_weight": arguments.optional(_weight, "gate_weight", given["gate_weight"]),
        "auxiliary_weight": arguments.optional(
            _weight, "auxiliary_weight", given["auxiliary_weight"]
        ),
        "held_back": arguments.share("held_back", given["held_back"]),
        "check_every": arguments.optional(positive, "check_every", given["check_every"]),
        "patience": positive("patience", given["patience"]),
        "seed": arguments.whole_number("seed", given["seed"], least=0, most=_MOST_SEED),
        "device": arguments.text("device", given["device"]),
        "precision": arguments.text("precision", given["precision"]),
        "threads": checked_settings(threads=given["threads"])["threads"],
        "restart": arguments.flag("restart", given["restart"]),
        "force": arguments.flag("force", given["force"]),
    }


def to_score(folder: str | None, split: str | None) -> Labelled | None:
    """Return the data set to score by, if one is given.

    Raises:
        InputError: It is none.
    """
    if folder is None:
        return None
    others = labelled_pictures([folder], split=split, suffixes=("", ""))
    if others.data is None:
        raise InputError(
            f"{folder} is of no known layout, so there are no labels to score by",
            hint="a folder with images/ beside labels/ is one",
        )
    return others


def labelled_data(
    images: Path, labels: Path | None, *, split: str | None, suffixes: tuple[str, str]
) -> DataSet:
    """Return the pictures to learn from with their labels: two folders, or a data set.

    Raises:
        ImageError: A folder is missing or empty, or a file has no partner.
        InputError: There are no labels.
    """
    if labels is not None:
        if split is not None:
            raise InputError(f"`split` {split} is a part of a data set, and no folder is one")
        return find_dataset(DataConfig((), None, images, labels, *suffixes))
    if not is_dataset(images):
        raise InputError(
            f"{images} is of no known layout, so there are no labels to learn from",
            hint="name the folder of its labels behind it",
        )
    parts = {part for name in LAYOUTS for part in LAYOUTS[name].splits(images)}
    usual = _TO_LEARN_FROM if _TO_LEARN_FROM in parts else None
    return find_dataset(DataConfig((images,), split or usual, None, None, *suffixes))


def truth_for(
    data: DataSet,
    label_map: str | None,
    ignored: tuple[int, ...] | None,
    checkpoint: Checkpoint,
    *,
    any_number: bool = False,
) -> "Truth":
    """Return the labels of a data set as a checkpoint's classes, or as any.

    Raises:
        InputError: A label is no class.
    """
    from segpp.api._truth import truth_of  # noqa: PLC0415 - with torch

    files = {pair.image: pair.labels for pair in data.pairs}
    classes = replace(classes_of(checkpoint), reduce_labels=checkpoint.reduce_labels)
    return truth_of(
        files, classes, data, label_map=label_map, ignored=ignored, any_number=any_number
    )


def scored_by(
    others: Labelled | None,
    label_map: str | None,
    ignored: tuple[int, ...] | None,
    checkpoint: Checkpoint,
) -> "Scored | None":
    """Return what teacher and student are scored by besides the pictures held back."""
    if others is None or others.data is None:
        return None
    from segpp.train.scores import Scored  # noqa: PLC0415 - with torch

    truth = truth_for(others.data, label_map, ignored, checkpoint)
    return Scored(truth, tuple(truth.files), "with labels")


def ignored_of(value: Any) -> tuple[int, ...] | None:
    """Return the labels whose pixels do not count; None for the usual ones."""
    return arguments.optional(_labels, "ignore", value)


def positive(name: str, value: Any) -> int:
    """Return a whole number from 1 on."""
    return arguments.whole_number(name, value, least=1)


def _labels(name: str, value: Any) -> tuple[int, ...]:
    return arguments.several(arguments.whole_number, name, value)


def _numbers(check: Callable[[str, Any], T], name: str, value: Any) -> tuple[T, ...] | None:
    return None if value is None else arguments.several(check, name, value, least=1)


def _interval(name: str, value: Any) -> int:
    if isinstance(value, str) and value == "auto":
        raise InputError(
            f"`{name}=auto` is measured by an export, and a training needs the number before",
            hint=f"give the same number here and to the export, as `{name}=2`",
        )
    return arguments.whole_number(name, value, least=1, most=MOST)


def _weight(name: str, value: Any) -> float:
    return arguments.number(name, value, least=0)


def _time(name: str, value: Any) -> float:
    return arguments.number(name, value, least=0)
