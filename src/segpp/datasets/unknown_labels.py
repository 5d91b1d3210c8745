"""Labels that are no class of the models: refused, with what the data set seems to mean by them."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from segpp.datasets.label_maps.base import LABEL_MAPS
from segpp.datasets.labels import LabelRules, Labels, load_labels
from segpp.errors import InputError

__all__ = ["check_known_labels", "is_black_and_white", "is_foreground"]

_NO_CLASS, _TWO = 255, 2
# Enough that a class which occurs at all is seen, few enough to be read in a second.
_JUDGED = 16
_FEWEST_STEPS = 3
# Beyond it numbers are no classes of any street or room, but void of every kind.
_MOST_CLASSES = 250
# Whose numbers tell the data set; others hold any.
_RECOGNISED = {"cityscapes", "coco-stuff"}
_LISTED = 8


def check_known_labels(
    labels: Labels,
    classes: int,
    ignored: Collection[int],
    path: Path,
    rules: LabelRules | None = None,
    *,
    others: Sequence[Path] = (),
) -> None:
    """Check that every pixel's label is a class or to be ignored.

    Args:
        labels: (H, W).
        classes: K; the classes are 0 to K - 1.
        ignored: Other labels that may occur.
        path: The file they are from, for the message.
        rules: How they were made of the file's numbers.
        others: Label files of the same set, of which some are read before a way out is proposed:
            one file alone seldom has every class.

    Raises:
        InputError: A label is neither.
    """
    present = set(np.unique(labels).tolist())
    unknown = _unknown(present, classes, ignored)
    if not unknown:
        return
    rules = rules or LabelRules()
    if unknown[0] < 0 and rules.offset:
        raise InputError(
            f"{path} holds the label {unknown[0] - rules.offset}, which the offset makes "
            f"{unknown[0]}",
            hint="if label 0 stands for no class: --reduce-zero-label instead of the offset",
        )
    judged = [present, *_read(_spread([one for one in others if one != path]), rules)]
    occurring = set[int]().union(*judged)
    is_one_higher = rules.counted and _is_one_higher(occurring, classes, ignored)
    raise InputError(
        f"{path} holds the label {unknown[0]}, which is no class",
        f"the model has classes 0 to {classes - 1}",
        f"ignored labels: {_listed(ignored) or 'none'}",
        *_facts(occurring, len(judged), classes, is_one_higher=is_one_higher),
        hint=_way_out(occurring, classes, ignored, is_one_higher=is_one_higher),
    )


def is_foreground(classes: int, files: Sequence[Path]) -> bool:
    """Return whether 255 stands for class 1 in label files, and not for no class."""
    return classes == _TWO and is_black_and_white(files)


def is_black_and_white(files: Sequence[Path]) -> bool:
    """Return whether label files hold 0 and 255 alone, and both: masks as editors save them.

    Every file is looked at, since 255 next to 1 is no class; most sets show that in the first.
    """
    occurring: set[int] = set()
    for path in files:
        occurring |= _labels_in(path, LabelRules())
        if not occurring <= {0, _NO_CLASS}:
            return False
    return occurring == {0, _NO_CLASS}


def _unknown(present: Collection[int], classes: int, ignored: Collection[int]) -> list[int]:
    return sorted(label for label in {*present} - {*ignored} if not 0 <= label < classes)


def _is_one_higher(occurring: set[int], classes: int, ignored: Collection[int]) -> bool:
    """Whether labels seem to start at 1: no 0, and what is no class then lies next to the last."""
    left = _unknown(_moved(occurring), classes, ignored)
    # More numbers beyond the classes than a void are another encoding.
    return 0 not in occurring and (not left or left == [classes])


def _moved(occurring: set[int]) -> set[int]:
    return {label if label == _NO_CLASS else label - 1 for label in occurring}


def _facts(occurring: set[int], files: int, classes: int, *, is_one_higher: bool) -> list[str]:
    seen = f"of {files} label files: {_listed(occurring)}"
    facts = [seen] if files > 1 else []
    if is_one_higher:
        facts.append("0 does not occur: the labels seem to start at 1")
    elif name := _map_for(occurring, classes):
        facts.append(f"these look like the numbers of {name}, which are no classes yet")
    elif _steps(occurring):
        facts.append(f"they are {_steps(occurring)} apart, as grey values of a picture are")
    return facts


def _way_out(
    occurring: set[int], classes: int, ignored: Collection[int], *, is_one_higher: bool
) -> str:
    """Return the flags with which the score is right, if there are such."""
    if is_one_higher:
        return _out_of_one_higher(occurring, classes, ignored)
    if name := _map_for(occurring, classes):
        return f"--label-map {name}"
    unknown = _unknown(occurring, classes, ignored)
    known = occurring - {*unknown} - {*ignored}
    # One number beside several classes is what data sets call void; more are another encoding.
    if (
        len(unknown) == 1
        and len(known) > 1
        and (unknown[0] == classes or not 0 <= unknown[0] <= _MOST_CLASSES)
    ):
        return f"if its pixels are not to count: {_ignore(unknown, ignored)}"
    return "a file of lines 'number class' says what each is: --label-map FILE"


def _out_of_one_higher(occurring: set[int], classes: int, ignored: Collection[int]) -> str:
    left = _unknown(_moved(occurring), classes, ignored)
    offset = "--label-offset -1" + (f" {_ignore(left, ignored)}" if left else "")
    if _unknown(occurring, classes, ignored) != [classes]:
        return offset
    # Class 0 may be one that these pictures do not show, and the last number no class.
    other = _ignore([classes], ignored)
    return f"if label 1 stands for class 0: {offset}; if {classes} is no class: {other}"


def _map_for(occurring: set[int], classes: int) -> str | None:
    """Return the label map to these classes whose numbers these are, several of them no classes."""
    for name in LABEL_MAPS:
        numbers = LABEL_MAPS[name]
        last = max(label for label in numbers.values() if label != _NO_CLASS)
        beyond = {number for number in occurring if last < number != _NO_CLASS}
        fits = name in _RECOGNISED and last == classes - 1
        if fits and occurring <= numbers.keys() and len(beyond) > 1:
            return name
    return None


def _steps(occurring: set[int]) -> int:
    """Return the step between grey values that were spread over 0 to 255; 0 if they were not."""
    values = sorted(occurring)
    if len(values) < _FEWEST_STEPS or values[0] != 0 or values[-1] != _NO_CLASS:
        return 0
    step = round(_NO_CLASS / (len(values) - 1))
    even = all(abs(v - i * step) <= 1 + i for i, v in enumerate(values))
    return step if even and step > 1 else 0


def _ignore(unknown: Sequence[int], ignored: Collection[int]) -> str:
    numbers = sorted({*ignored, *unknown})
    # A negative number behind a space would be a flag.
    return ("--ignore=" if numbers[0] < 0 else "--ignore ") + ",".join(map(str, numbers))


def _spread(paths: Sequence[Path]) -> list[Path]:
    """Return some files from the whole of a list: a data set's names go by place and time."""
    step = max(1, len(paths) / _JUDGED)
    return [paths[int(step * i)] for i in range(min(len(paths), _JUDGED))]


def _read(paths: Sequence[Path], rules: LabelRules) -> list[set[int]]:
    return [found for path in paths if (found := _labels_in(path, rules))]


def _labels_in(path: Path, rules: LabelRules) -> set[int]:
    try:
        return set(np.unique(load_labels(path, rules)).tolist())
    except InputError:
        # It has an error of its own, told when its turn comes.
        return set()


def _listed(labels: Collection[int]) -> str:
    numbers = list(map(str, sorted(labels)))
    if len(numbers) <= _LISTED:
        return ", ".join(numbers)
    # The ends say where they start and what is behind the classes.
    half = _LISTED // 2
    return ", ".join([*numbers[:half], "…", *numbers[-half:]])
