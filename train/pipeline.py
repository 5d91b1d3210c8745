"""A training, from a checkpoint to one of the same layout that bears a reduction better.

Without labels it is a distillation, with labels a fine-tuning: they differ in what is learned, and
in what decides which weights are kept.

1. Load: the teacher, and where in its file every number lies; a trial copy is read back.
2. Resolve: input, reduction and gates, as the export would.
3. Pictures: found, and a part held back in runs of neighbours.
4. Go on: with a training that was stopped, or begin: fixed gates choose, dynamic ones get ready.
5. Train: the teacher's masks and stages, or labels, with fewer tokens and channels.
6. Write: the best weights of all checks, if they are better than those at the start.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from math import isnan
from typing import Generic, TypeVar

import torch
from torch import Tensor

from segpp.errors import CheckError, InputError
from segpp.export.models.base import Checkpoint
from segpp.export.models.network import Network
from segpp.export.reduction.gates.config import chooses_on_images
from segpp.export.reduction.gates.running_moments import Draw
from segpp.train.check import check_config, check_not_a_picture
from segpp.train.config import TrainingConfig
from segpp.train.gates.choosing import check_kept
from segpp.train.gates.dynamic import add_predictors
from segpp.train.learning.judge import Judge
from segpp.train.learning.judged import Judged
from segpp.train.learning.keeper import Keeper
from segpp.train.learning.loop import Plan, Training
from segpp.train.learning.objectives import Objective
from segpp.train.learning.optimizer import trained
from segpp.train.learning.precision import choose_precision
from segpp.train.learning.schedule import warm_up_doubt
from segpp.train.learning.state import Progress
from segpp.train.learning.tapped import Tapped
from segpp.train.learning.world import World, joined, told_of_torch
from segpp.train.pictures.alike import ALIKE, mean_difference
from segpp.train.pictures.batches import Batches
from segpp.train.pictures.find import FEW, digest_of_bytes
from segpp.train.pictures.labelled import LabelReader
from segpp.train.pictures.reading import Reader
from segpp.train.report import MeanIous, Teacher, TrainingResult, WrittenFile
from segpp.train.saving.rounded import rounded
from segpp.train.saving.write import write_student
from segpp.train.scores import Scored, Scorer, Truth, mious
from segpp.train.task import Task, prepared, told
from segpp.utils.progress import announce

__all__ = ["Kind", "Labels", "trained_by"]

Result = TypeVar("Result", bound=TrainingResult)

# Of the shares of classes in two pictures' masks, the mean difference.
_SAME_SHARES = 0.002
_GO_ON = "the same command goes on from the last step that was kept"


# What the student is scored by, given the teacher; None where there are no labels.
Labels = Callable[[Checkpoint], Scored | None]
# Gives the student as it was before the first step.
Before = Callable[[], Network]


@dataclass(frozen=True)
class Kind(Generic[Result]):
    """What differs from training to training.

    Attributes:
        name: What is shown while it runs.
        objective: What is learned.
        result: What it returns.
        failed: Raised with that where nothing got better.
        truth: Labels to learn from and to decide by; None without.
        judge: Tells how well a student does.
        scores: Whether a student gives masks, which a mean IoU is of.
    """

    name: str
    objective: Callable[[Task, Judge], Objective]
    result: type[Result]
    failed: Callable[[TrainingResult], CheckError]
    truth: Callable[[Checkpoint], Truth] | None = None
    judge: type[Judge] = Judge
    scores: bool = True


def trained_by(config: TrainingConfig, kind: Kind[Result], labels: Labels) -> Result:
    """Train ``config.checkpoint`` and write what became of it.

    Args:
        config: What the caller chose.
        kind: What is learned.
        labels: What to score by besides; the pictures held back if there are labels of them.

    Returns:
        What was done; of several processes' the first one's is whole.

    Raises:
        InputError: An argument, a file or a place to write to cannot be used.
        CheckError: The student got no better, or the training diverged; nothing is written.
        MissingError: There is no GPU.
    """
    check_config(config)
    with joined(config.device, config.batch, config.threads) as world, _together(world):
        task = prepared(config, world)
        truth = kind.truth(task.checkpoint) if kind.truth else None
        if truth is not None:
            check_not_a_picture(config.out, truth.files.values(), kind="labels")
        scored = labels(task.checkpoint) or (Scored(truth) if truth and kind.scores else None)
        judge, keeper = _judge(task, kind, truth), Keeper(config.resume, world)
        settings = {**task.settings(), **_label_settings(task, truth)}
        student, progress, before = _begun(task, judge, keeper, settings)
        _train(task, kind, student, judge=judge, progress=progress, keeper=keeper)
        return _finished(task, kind, progress, before, keeper=keeper, scored=scored, judge=judge)


def _label_settings(task: Task, truth: Truth | None) -> dict[str, str]:
    if truth is None:
        return {}
    pictures = (*task.pictures.learned, *task.pictures.held)
    return {
        "labels": digest_of_bytes([truth.files[path] for path in pictures]),
        "label_rules": sha256(truth.meaning.encode()).hexdigest(),
    }


def _together(world: World) -> AbstractContextManager[None]:
    """Return what says in a sentence that one of several processes ended, at any time."""
    return told_of_torch(world, hint=_GO_ON) if world.size > 1 else nullcontext()


def _judge(task: Task, kind: Kind[Result], truth: Truth | None) -> Judge:
    return kind.judge(
        task.teacher(),
        task.pictures.held,
        Reader(task.spec),
        task.world,
        task.config.batch,
        task.checkpoint.align_corners,
        None if truth is None else _scorer(task, truth),
    )


def _scorer(task: Task, truth: Truth) -> Scorer:
    return Scorer(truth, task.checkpoint, task.spec, task.world)


def _begun(
    task: Task, judge: Judge, keeper: Keeper, settings: Mapping[str, str]
) -> tuple[Network, Progress, Before]:
    """Return a student and its training: one that was stopped, with its weights, or a new one.

    The third is the student before it learned anything.
    """
    restart = task.config.restart
    student = task.student()
    if (stopped := keeper.found(settings, dict(trained(student)), restart=restart)) is not None:
        depths = task.checkpoint.architecture.depths
        check_kept(task.channels(stopped.channels), stopped.channels, depths, keeper.path)
        _give(student, stopped.student)
        stopped.student = dict(trained(student))
        if task.world.is_first:
            announce(f"going on after {stopped.step} steps, as {keeper.path} has it")
        return _learning(student), stopped, lambda: _chosen(task, task.draws())[0]
    if restart:
        keeper.remove()
    draws = task.draws()
    student, kept = _chosen(task, draws)
    before = _remembered(student, task)
    began = time.monotonic()
    with told("comparing the student with its teacher, before", task.world):
        start = judge(student)
    _check_judged(start)
    took = time.monotonic() - began
    add_predictors(student, draws, task.config.seed)
    precision = _precision(task, _learning(student))
    weights: dict[str, Tensor] = dict(trained(student))
    progress = Progress(
        settings, precision, start, weights, best=start, check_seconds=took, channels=kept
    )
    return student, progress, before


def _remembered(student: Network, task: Task) -> Before:
    """Return what gives this student again, whatever it learns: to choose takes minutes."""
    own = deepcopy(student).cpu()
    return lambda: own.to(task.world.device)


def _check_judged(found: Judged) -> None:
    if any(isnan(number) for number in found.numbers):
        raise InputError(
            f"the pictures held back say nothing of the network: {found}",
            "no pixel of theirs has a label that counts, or its logits are no numbers",
            hint="look at `ignore`, at the labels, or hold other pictures back",
        )


def _give(student: Network, weights: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, weight in trained(student).items():
            weight.copy_(weights[name])


def _learning(student: Network) -> Network:
    for weight in trained(student).values():
        weight.requires_grad_()
    return student


def _chosen(task: Task, draws: Sequence[Draw]) -> tuple[Network, dict[str, str]]:
    if not chooses_on_images(task.gates):
        return task.chosen([])
    with told(f"choosing channels on {len(draws)} pictures", task.world):
        return task.chosen(draws)


def _precision(task: Task, student: Network) -> str:
    spec, world = task.spec, task.world
    shape = (1, *spec.shape[1:])
    asked = task.config.precision
    with told("choosing what to compute in", world):
        own = choose_precision(asked, Tapped(student), shape, world.device)
    # The first one's measurement counts for all.
    return (world.of_first(own.encode()) or b"").decode()


def _train(
    task: Task,
    kind: Kind[Result],
    student: Network,
    *,
    judge: Judge,
    progress: Progress,
    keeper: Keeper,
) -> None:
    config, world, scorer = task.config, task.world, judge.scorer
    with told(kind.name, world) as show:
        training = Training(
            kind.objective(task, judge),
            student,
            batches=Batches(
                task.pictures.learned,
                Reader(task.spec),
                config.batch,
                config.seed,
                world.rank,
                world.size,
                None if scorer is None else LabelReader(scorer.truth, task.spec),
            ),
            judge=judge,
            plan=_plan(task),
            progress=progress,
            world=world,
            show=show,
            save=keeper,
        )
        with told_of_torch(world, hint=_GO_ON), keeper.until_the_end(training.snapshot):
            training.run()


def _plan(task: Task) -> Plan:
    config = task.config
    return Plan(
        rate=config.learning_rate,
        patience=config.patience,
        check_every=task.check_every,
        gate_weight=config.weight_of_gates,
        steps=config.steps,
        seconds=None if config.minutes is None else 60 * config.minutes,
    )


def _finished(
    task: Task,
    kind: Kind[Result],
    progress: Progress,
    before: Before,
    *,
    keeper: Keeper,
    scored: Scored | None,
    judge: Judge,
) -> Result:
    """Score, write and report; the training is over either way."""
    student = _as_written(task, progress, judge, before)
    miou = None if scored is None else _scores(task, before(), student, scored)
    doubts = filter(None, [miou.doubt if miou else None, warm_up_doubt(progress.step)])
    warnings = (*doubts, *task.doubts, *_warnings(task, judge))

    def result_of(file: WrittenFile | None) -> Result:
        return _result(task, kind, progress, file, miou=miou, warnings=warnings)

    if not progress.kept:
        keeper.remove()
        raise kind.failed(result_of(None))
    result = result_of(None)
    if task.world.is_first:
        result = write_student(
            task.layout,
            task.state_of(student),
            task.config.out,
            result_of,
            as_folder=task.config.writes_folder,
            gates=task.trained_gates(student),
        )
    task.world.wait()
    keeper.remove()
    return result


def _as_written(task: Task, progress: Progress, judge: Judge, before: Before) -> Network:
    """Return the best student as the file will have it, judged as such where that rounds it."""
    student = _best(task, progress, before)
    own = task.state_of(student)
    written = rounded(task.layout, own) if progress.kept else own
    if all(torch.equal(written[name], tensor) for name, tensor in own.items()):
        return student
    student.load_state_dict(written, strict=False)
    progress.best = judge(student)
    if not progress.best.is_better_than(progress.start):
        progress.kept = {}
    return student


def _best(task: Task, progress: Progress, before: Before) -> Network:
    """Return the student of the best check, which may be that before the first step."""
    if not progress.kept:
        return before()
    student = task.student()
    _give(student, progress.kept)
    return student


def _scores(task: Task, before: Network, student: Network, scored: Scored) -> MeanIous:
    """Return the mean IoU of the teacher, and of the student before and after."""
    pictures = task.pictures.held if scored.pictures is None else scored.pictures
    networks = [task.teacher(), before, student]
    with told(f"scoring on {len(pictures)} pictures with labels", task.world):
        found = mious(networks, pictures, _scorer(task, scored.truth))
    return MeanIous(f"{len(pictures)} pictures {scored.name}", *found)


def _warnings(task: Task, judge: Judge) -> Iterator[str]:
    count = len(task.pictures.learned) + len(task.pictures.held)
    if count < FEW:
        yield f"{count} pictures are few: what is won holds elsewhere from {FEW} on, or hundreds"
    if mean_difference(task.pictures.held, Reader(task.spec)) < ALIKE or _is_one_scene(judge):
        yield "the pictures are all alike: what is won may be lost on others; give other scenes"


def _is_one_scene(judge: Judge) -> bool:
    first, *others = judge.class_shares()
    return bool(others) and all(float((o - first).abs().mean()) < _SAME_SHARES for o in others)


def _result(
    task: Task,
    kind: Kind[Result],
    progress: Progress,
    file: WrittenFile | None,
    *,
    miou: MeanIous | None,
    warnings: Sequence[str],
) -> Result:
    checkpoint = task.checkpoint
    best: Judged = progress.best
    return kind.result(
        teacher=Teacher(task.config.checkpoint.name, checkpoint.sha256, checkpoint.format),
        file=file,
        size=f"{task.spec.height}x{task.spec.width}",
        reduction=task.reduction_texts(),
        channels=task.channels(progress.channels),
        match_interval=task.config.match_interval,
        learned=len(task.pictures.learned),
        held_back=len(task.pictures.held),
        beside=task.pictures.beside,
        steps=progress.step,
        best_step=progress.best_step,
        seconds=progress.seconds,
        precision=progress.precision,
        processes=task.world.size,
        before=progress.start,
        after=best,
        miou=miou,
        settings=dict(progress.settings),
        history=tuple(progress.history),
        warnings=tuple(warnings),
    )
