"""Scores of exported files: sessions opened, classes compared, images run."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from numpy.typing import NDArray

from segpp.datasets.find import DataSet
from segpp.datasets.label_maps.base import find_label_map
from segpp.datasets.labels import LabelRules, Labels
from segpp.datasets.pairs import Pair
from segpp.datasets.unknown_labels import is_foreground
from segpp.errors import CheckError, InputError
from segpp.images.channels import GRAY_NOTE, load_for
from segpp.images.palette import Color
from segpp.images.preprocess import ImageArray
from segpp.manifest import InputSpec
from segpp.runtime.backends.base import DeviceTimes
from segpp.runtime.evaluation import Evaluation, Segmenter, evaluate
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
_FOREGROUND = (
    "the labels hold 0 and 255 alone, and 255 is taken for class 1, {!r}; --ignore 255 takes it "
    "for no class"
)
# Of which a reader should hear: the score is of the other part alone.
_MUCH = 0.5
_SHOWN = 6


def evaluate_files(
    models: Sequence[Path],
    data: DataSet,
    *,
    ignored: Collection[int] | None = None,
    palette: tuple[Color, ...] | None = None,
    label_offset: int = 0,
    reduce_zero_label: bool | None = None,
    label_map: str | None = None,
    settings: Mapping[str, Any],
    after_each: Callable[[], object] = lambda: None,
    worst: int = 0,
) -> EvaluationReport:
    """Run every file over the images and compare with the labels.

    Args:
        models: Files of the same classes; the others are compared with the first.
        data: The images with their labels, of which one is in memory at a time, and what is known
            of the labels' numbers; what is given here goes before.
        ignored: Labels whose pixels do not count; None for the models' own, the data's, and 255.
        palette: The colours of the classes in labels that are in colour; None for the models' own.
        label_offset: Added to every label but 255.
        reduce_zero_label: Label 0 is no class; the others count down by one. None for what the
            models' manifests say.
        label_map: Class of each number: a name of ``LABEL_MAPS`` or a file.
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
        if label_map or label_offset or reduce_zero_label:
            # What a layout leaves out is a number of its own, before it is mapped.
            data = replace(data, ignored=frozenset())
        elif reduce_zero_label is None:
            data = data.meant_for(len(names))
        rules, told = _label_rules(
            models, sessions, data, label_offset, reduce=reduce_zero_label, label_map=label_map
        )
        colors = palette or data.palette
        if colors:
            rules = replace(rules, palette=_fitting(colors, names))
        notes = (
            *notes,
            *data.notes,
            *told,
            *_precisions(models, sessions),
            *_assumptions(models, sessions),
        )
        labels = _usually_ignored(sessions, data) if ignored is None else frozenset(ignored)
        files = [pair.labels for pair in data.pairs]
        if ignored is None and rules.counted and is_foreground(len(names), files):
            rules = replace(rules, foreground=_USUALLY_IGNORED)
            labels -= {_USUALLY_IGNORED}
            notes = (*notes, _FOREGROUND.format(names[1]))
        if ignored is None:
            notes = (*notes, *_notes_on_left_out(labels, names))
        if labels.issuperset(range(len(names))):
            raise InputError(f"all {len(names)} classes are ignored", hint="leave some to measure")
        palette = next((s for s in sessions if not s.assumed), sessions[0]).classes.palette
        kept = WorstImages(worst, palette, labels, _short(models))
        timed: list[list[DeviceTimes]] = [[] for _ in models]
        evaluation = evaluate(
            list(map(_segmenter, models, sessions, timed)),
            data.pairs,
            classes=len(names),
            ignored=labels,
            unseen=_unseen(sessions),
            rules=rules,
            read=partial(load_for, spec=_same_input(models, sessions)),
            after_each=after_each,
            watch=partial(_watch, kept),
        )
        _check_counted(evaluation)
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


def _notes_on_left_out(ignored: frozenset[int], names: Sequence[str]) -> list[str]:
    """Return a sentence where nobody said that a class is to be left out, as 255 of 300 is."""
    classes = [label for label in sorted(ignored) if 0 <= label < len(names)]
    return [
        f"label {label} is class {names[label]!r} of the model and does not count: --ignore says "
        "what does not, --ignore=-1 that everything does"
        for label in classes
    ]


def _check_counted(evaluation: Evaluation) -> None:
    """Raise CheckError if no pixel counts: the labels of a part that is kept secret are such."""
    if evaluation.scores[0].confusion.pixels == 0:
        found = ", ".join(f"{label}: {n:,}" for label, n in evaluation.ignored_by_label.items())
        raise CheckError("no pixel has a label that counts", f"ignored, by label: {found}")


def _notes_on_labels(evaluation: Evaluation, names: Sequence[str]) -> list[str]:
    """Return a sentence where labels seem to be others than the models', though all are classes."""
    confusion = evaluation.scores[0].confusion
    share = evaluation.ignored_pixels / max(evaluation.ignored_pixels + confusion.pixels, 1)
    listed = ", ".join(f"{label}: {n:,}" for label, n in evaluation.ignored_by_label.items())
    labelled = confusion.matrix.sum(1).nonzero()[0].tolist()
    scored = [k for k in range(len(names)) if k not in confusion.ignored]
    if len(labelled) == 1 and len(scored) > 1:
        return [
            (
                f"only class {names[labelled[0]]!r} is labelled, and {share:.0%} of the pixels are "
                f"ignored ({listed or 'none'}): of these labels no mIoU can be told"
            )
        ]
    notes = []
    if share > _MUCH:
        notes.append(f"{share:.0%} of the pixels are ignored, by label {listed}")
    if missing := [names[k] for k in scored if k not in labelled]:
        notes.append(
            f"no pixel is labelled {_few(missing)}: where it occurs in the pictures, the labels "
            "have other numbers than the model"
        )
    return notes


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more classes"


def _notes_on_fits(paths: Sequence[Path], sessions: Sequence[Session]) -> list[str]:
    return [
        f"{path}: {note}"
        for path, session in zip(paths, sessions, strict=True)
        for note in session.notes
    ]


def _label_rules(
    paths: Sequence[Path],
    sessions: Sequence[Session],
    data: DataSet,
    offset: int,
    *,
    reduce: bool | None,
    label_map: str | None,
) -> tuple[LabelRules, tuple[str, ...]]:
    """Return what the numbers of labels mean, and a note where a manifest decides it."""
    if offset and reduce:
        raise InputError("--reduce-zero-label and --label-offset contradict each other")
    if label_map and (offset or reduce):
        raise InputError("--label-map contradicts --reduce-zero-label and --label-offset")
    # The first with a manifest has its classes' own colours.
    named = [session for session in sessions if not session.assumed] or [sessions[0]]
    rules = LabelRules(named[0].classes.palette, offset, bool(reduce))
    if label_map:
        return replace(rules, label_map=find_label_map(label_map)), ()
    if offset or reduce is not None:
        return rules, ()
    if data.label_map:
        return replace(rules, label_map=find_label_map(data.label_map)), ()
    if data.reduce_zero_label:
        return replace(rules, reduce_zero_label=True), ()
    reducing = [
        path for path, one in zip(paths, sessions, strict=True) if one.classes.reduce_labels
    ]
    if not reducing:
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


def _same_input(paths: Sequence[Path], sessions: Sequence[Session]) -> InputSpec:
    """Return the input of the models, as far as it says how a picture is read."""
    first = sessions[0].input
    for path, session in zip(paths, sessions, strict=True):
        for name in ("channels", "white", "bands"):
            mine, other = getattr(first, name), getattr(session.input, name)
            if mine != other:
                raise InputError(
                    f"{path} and {paths[0]} take other {name}: {other} and {mine}",
                    hint="only models of the same images can be compared",
                )
    return first


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


def _usually_ignored(sessions: Sequence[Session], data: DataSet) -> frozenset[int]:
    own = {session.classes.ignore for session in sessions}
    return frozenset({*own, *data.ignored, _USUALLY_IGNORED})


def _segmenter(path: Path, session: Session, timed: list[DeviceTimes]) -> Segmenter:
    """Return what labels an image, and keeps the times of a GPU where one tells them."""

    def labels_of(image: ImageArray, size: tuple[int, int]) -> NDArray[Any]:
        try:
            result = session(image, sizes=[size])
        except CheckError as failure:
            raise failure.at(str(path)) from failure
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
