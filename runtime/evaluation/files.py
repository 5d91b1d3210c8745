"""Scores of exported files: sessions opened, classes compared, images run."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from numpy.typing import NDArray

from segpp.errors import CheckError, InputError
from segpp.images.channels import GRAY_NOTE
from segpp.images.palette import Color
from segpp.images.preprocess import ImageArray
from segpp.runtime.backends.base import DeviceTimes
from segpp.runtime.evaluation import Evaluation, Segmenter, evaluate
from segpp.runtime.evaluation.dataset import LabelRules, Labels, Pair
from segpp.runtime.evaluation.report import EvaluationReport
from segpp.runtime.evaluation.worst import WorstImages
from segpp.runtime.inference.open_session import open_session
from segpp.runtime.inference.session import Session
from segpp.utils.choices import check_choice

__all__ = ["PROTOCOLS", "evaluate_files", "tiles_of"]

PROTOCOLS = ("whole", "slide")
# Crops of 512 at a stride of 341, as is usual where networks are trained on crops.
_SLIDE_OVERLAP = 1 / 3

# Nearly every data set marks pixels without a class like this.
_USUALLY_IGNORED = 255


def evaluate_files(
    models: Sequence[Path],
    pairs: Sequence[Pair],
    *,
    ignored: Collection[int] | None = None,
    palette: tuple[Color, ...] | None = None,
    label_offset: int = 0,
    reduce_zero_label: bool | None = None,
    settings: Mapping[str, Any],
    after_each: Callable[[], object] = lambda: None,
    worst: int = 0,
) -> EvaluationReport:
    """Run every file over the images and compare with the labels.

    Args:
        models: Files of the same classes; the others are compared with the first.
        pairs: The images with their labels; one is in memory at a time.
        ignored: Labels whose pixels do not count; None for the models' own, and 255.
        palette: The colours of the classes in labels that are in colour; None for the models' own.
        label_offset: Added to every label but 255.
        reduce_zero_label: Label 0 is no class; the others count down by one. None for what the
            models' manifests say.
        settings: More of ``open_session``: backend, provider, threads, precision, cache.
        after_each: Called after every image, read or not.
        worst: How many of the images that go worst are kept as small pictures.

    Raises:
        InputError: The models have other classes, or the labels others than they.
        CheckError: No image could be read, or a model gave infinities or not-a-numbers.
    """
    with ExitStack() as stack:
        sessions = [
            stack.enter_context(_open(path, settings, alone=len(models) == 1)) for path in models
        ]
        names, notes = _class_names(models, sessions)
        rules, told = _label_rules(models, sessions, label_offset, reduce=reduce_zero_label)
        if palette is not None:
            rules = replace(rules, palette=_fitting(palette, names))
        notes = (*notes, *told, *_precisions(models, sessions), *_assumptions(models, sessions))
        labels = _usually_ignored(sessions) if ignored is None else frozenset(ignored)
        if labels.issuperset(range(len(names))):
            raise InputError(f"all {len(names)} classes are ignored", hint="leave some to measure")
        palette = next((s for s in sessions if not s.assumed), sessions[0]).classes.palette
        kept = WorstImages(worst, palette, labels, _short(models))
        timed: list[list[DeviceTimes]] = [[] for _ in models]
        evaluation = evaluate(
            list(map(_segmenter, models, sessions, timed)),
            pairs,
            classes=len(names),
            ignored=labels,
            unseen=_unseen(sessions),
            rules=rules,
            channels=_channels(models, sessions),
            after_each=after_each,
            watch=partial(_watch, kept),
        )
        fits = tuple(session.fit for session in sessions)
        backends = tuple(session.description for session in sessions)
        notes = (*notes, *_notes_on_labels(evaluation, names), *_notes_on_fits(models, sessions))
        notes = (*notes, *_notes_on_gpus(models, timed))
    return EvaluationReport(
        evaluation, _short(models), names, labels, notes, fits, palette, tuple(kept.kept), backends
    )


def tiles_of(protocol: str, *, tile: bool, overlap: float | None) -> tuple[bool, float | None]:
    """Return whether a protocol needs tiles, and their overlap.

    Raises:
        InputError: There is no such protocol.
    """
    check_choice(protocol, PROTOCOLS, kind="protocol")
    if protocol == "slide":
        return True, _SLIDE_OVERLAP if overlap is None else overlap
    return tile, overlap


def _watch(
    kept: WorstImages,
    pair: Pair,
    image: ImageArray,
    truth: Labels,
    predictions: Sequence[NDArray[Any]],
) -> None:
    kept.add(pair.image.name, image, truth, predictions)


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


def _unseen(sessions: Sequence[Session]) -> int | None:
    """Return the label of what a crop leaves out, if there is a crop."""
    return next((one.unseen for one in sessions if one.unseen is not None), None)


def _notes_on_labels(evaluation: Evaluation, names: Sequence[str]) -> list[str]:
    """Return a sentence where one class alone is labelled: masks of 0 and 255 look like that."""
    confusion = evaluation.scores[0].confusion
    labelled = confusion.matrix.sum(1).nonzero()[0].tolist()
    if len(labelled) != 1 or len(names) - len(confusion.ignored & {*range(len(names))}) == 1:
        return []
    share = evaluation.ignored_pixels / (evaluation.ignored_pixels + confusion.pixels)
    note = (
        f"only class {names[labelled[0]]!r} is labelled, and {share:.0%} of the pixels are ignored "
        f"({', '.join(map(str, sorted(confusion.ignored)))}): of these labels no mIoU can be told"
    )
    return [note]


def _notes_on_fits(paths: Sequence[Path], sessions: Sequence[Session]) -> list[str]:
    return [
        f"{path}: {note}"
        for path, session in zip(paths, sessions, strict=True)
        for note in session.notes
    ]


def _label_rules(
    paths: Sequence[Path], sessions: Sequence[Session], offset: int, *, reduce: bool | None
) -> tuple[LabelRules, tuple[str, ...]]:
    """Return what the pixels of labels mean, and a note where a manifest decides it."""
    if offset and reduce:
        raise InputError("--reduce-zero-label and --label-offset contradict each other")
    # The first with a manifest has its classes' own colours.
    named = [session for session in sessions if not session.assumed] or [sessions[0]]
    rules = LabelRules(named[0].classes.palette, offset, bool(reduce))
    reducing = [
        path for path, one in zip(paths, sessions, strict=True) if one.classes.reduce_labels
    ]
    if not reducing or offset or reduce is not None:
        return rules, ()
    note = (
        f"label 0 is ignored and label k stands for class k - 1, as {reducing[0]} was trained; "
        "--no-reduce-zero-label takes labels as they are"
    )
    return replace(rules, reduce_zero_label=True), (note,)


def _fitting(palette: tuple[Color, ...], names: tuple[str, ...]) -> tuple[Color, ...]:
    if len(palette) != len(names):
        raise InputError(
            f"the palette has {len(palette)} colours, the models have {len(names)} classes"
        )
    return palette


def _channels(paths: Sequence[Path], sessions: Sequence[Session]) -> int:
    channels = [session.input.channels for session in sessions]
    for path, count in zip(paths, channels, strict=True):
        if count != channels[0]:
            raise InputError(
                f"{path} takes {count} channels, {paths[0]} takes {channels[0]}",
                hint="only models of the same images can be compared",
            )
    return channels[0]


def _precisions(paths: Sequence[Path], sessions: Sequence[Session]) -> list[str]:
    return [
        f"{path} is an int8 file{_written_for(session)}"
        for path, session in zip(paths, sessions, strict=True)
        if session.manifest.precision == "int8"
    ]


def _written_for(session: Session) -> str:
    """Say whose 8-bit numbers a file has, and who computes them here where that is another."""
    calibration = session.manifest.calibration
    if calibration is None:
        return ""
    target, backend = calibration.target, session.backend_name
    return f" for {target}" + ("" if target == backend else f", run by {backend}")


def _assumptions(paths: Sequence[Path], sessions: Sequence[Session]) -> list[str]:
    notes = [
        f"{path}: {note}"
        for path, session in zip(paths, sessions, strict=True)
        if session.assumed
        for note in session.manifest.notes
    ]
    return [*notes, GRAY_NOTE] if sessions[0].input.channels == 1 else notes


def _usually_ignored(sessions: Sequence[Session]) -> frozenset[int]:
    return frozenset({*(session.classes.ignore for session in sessions), _USUALLY_IGNORED})


def _segmenter(path: Path, session: Session, timed: list[DeviceTimes]) -> Segmenter:
    """Return what labels an image, and keeps the times of a GPU where one tells them."""

    def labels_of(image: ImageArray, size: tuple[int, int]) -> NDArray[Any]:
        try:
            result = session(image, sizes=[size])
        except CheckError as failure:
            raise CheckError(f"{path}: {failure}") from failure
        if result.timing.device:
            timed.append(result.timing.device)
        return result.masks[0]

    return labels_of


def _notes_on_gpus(paths: Sequence[Path], timed: Sequence[Sequence[DeviceTimes]]) -> list[str]:
    """Return what engines alone took, beside the rate of the report from picture to mask."""
    return [
        f"{path}: on the GPU the engine took {median(one.engine_ms for one in times):.2f} ms a "
        f"call, transfers {median(one.upload_ms + one.download_ms for one in times):.2f} ms "
        "(median, CUDA events)"
        for path, times in zip(paths, timed, strict=True)
        if times
    ]


def _short(paths: Sequence[Path]) -> tuple[str, ...]:
    for names in ([path.stem for path in paths], [path.name for path in paths]):
        if len(set(names)) == len(names):
            return tuple(names)
    return tuple(map(str, paths))
