"""Scores of exported files: sessions opened, classes compared, images run."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from segpp.errors import CheckError, InputError
from segpp.images.preprocess import ImageArray
from segpp.runtime.evaluation import Segmenter, evaluate
from segpp.runtime.evaluation.dataset import Pair
from segpp.runtime.evaluation.report import EvaluationReport
from segpp.runtime.inference.session import Session, open_session

__all__ = ["evaluate_files"]

# Nearly every data set marks pixels without a class like this.
_USUALLY_IGNORED = 255


def evaluate_files(
    models: Sequence[Path],
    pairs: Sequence[Pair],
    *,
    ignored: Collection[int] | None = None,
    reduce_zero_label: bool = False,
    settings: Mapping[str, Any],
    after_each: Callable[[], object] = lambda: None,
) -> EvaluationReport:
    """Run every file over the images and compare with the labels.

    Args:
        models: Files of the same classes; the others are compared with the first.
        pairs: The images with their labels; one is in memory at a time.
        ignored: Labels whose pixels do not count; None for the models' own, and 255.
        reduce_zero_label: Label 0 is no class; the others count down by one.
        settings: More of ``open_session``: backend, provider, threads, precision, cache.
        after_each: Called after every image, read or not.

    Raises:
        InputError: The models have other classes, or the labels others than they.
        CheckError: No image could be read, or a model gave infinities or not-a-numbers.
    """
    with ExitStack() as stack:
        sessions = [
            stack.enter_context(_open(path, settings, alone=len(models) == 1)) for path in models
        ]
        names, notes = _class_names(models, sessions)
        labels = _usually_ignored(sessions) if ignored is None else frozenset(ignored)
        if labels.issuperset(range(len(names))):
            raise InputError(f"all {len(names)} classes are ignored", hint="leave some to measure")
        evaluation = evaluate(
            [_segmenter(path, session) for path, session in zip(models, sessions, strict=True)],
            pairs,
            classes=len(names),
            ignored=labels,
            reduce_zero_label=reduce_zero_label,
            after_each=after_each,
        )
    return EvaluationReport(evaluation, _short(models), names, labels, notes)


def _open(path: Path, settings: Mapping[str, Any], *, alone: bool) -> Session:
    # The threads of a model that waits for its turn would slow the others down; and what a lower
    # precision costs is what is measured here.
    return open_session(path, **settings, alone=alone, min_agreement=None)


def _class_names(
    paths: Sequence[Path], sessions: Sequence[Session]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names that the models agree on, and a note for each that has others.

    Numbers stand in where no model has a manifest.
    """
    named = [i for i, session in enumerate(sessions) if not session.assumed]
    first = named[0] if named else 0
    names, notes = sessions[first].classes.names, []
    for path, session in zip(paths, sessions, strict=True):
        theirs = session.classes.names
        if len(theirs) != len(names):
            raise InputError(
                f"{path} has {len(theirs)} classes, {paths[first]} has {len(names)}",
                hint="only models of the same classes can be compared",
            )
        if theirs != names and not session.assumed:
            mine, other = next(pair for pair in zip(names, theirs, strict=True) if len({*pair}) > 1)
            notes.append(f"{path} calls {other!r} what {paths[first]} calls {mine!r}")
    return names, tuple(notes)


def _usually_ignored(sessions: Sequence[Session]) -> frozenset[int]:
    return frozenset({*(session.classes.ignore for session in sessions), _USUALLY_IGNORED})


def _segmenter(path: Path, session: Session) -> Segmenter:
    def labels_of(image: ImageArray) -> NDArray[Any]:
        try:
            return session(image).masks[0]
        except CheckError as failure:
            raise CheckError(f"{path}: {failure}") from failure

    return labels_of


def _short(paths: Sequence[Path]) -> tuple[str, ...]:
    for names in ([path.stem for path in paths], [path.name for path in paths]):
        if len(set(names)) == len(names):
            return tuple(names)
    return tuple(map(str, paths))
