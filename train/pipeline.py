"""A distillation, from a checkpoint to one of the same layout that merges tokens better.

1. Load: the teacher, and where in its file every number lies; a trial copy is read back.
2. Resolve: input and reduction, as the export would.
3. Pictures: found, and a part held back in runs of neighbours.
4. Go on: with a training that was stopped, or begin.
5. Train: the teacher's masks and stages, on the student's side with tokens merged.
6. Write: the best weights of all checks, if they are better than those at the start.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from segpp.errors import InputError
from segpp.export.config.feeding import resolve_input
from segpp.export.config.merging import resolve_reduction
from segpp.export.models.base import Checkpoint
from segpp.export.models.network import Network
from segpp.export.reduction.config import ReductionConfig
from segpp.manifest import InputSpec
from segpp.train.check import check_config, check_not_a_picture
from segpp.train.config import DistillConfig
from segpp.train.learning.judge import Judge
from segpp.train.learning.judged import Judged
from segpp.train.learning.keeper import Keeper
from segpp.train.learning.loop import Plan, Training
from segpp.train.learning.optimizer import trained
from segpp.train.learning.precision import choose_precision
from segpp.train.learning.state import Progress
from segpp.train.learning.tapped import Tapped
from segpp.train.learning.world import World, joined
from segpp.train.pictures.alike import ALIKE, mean_difference
from segpp.train.pictures.batches import Batches
from segpp.train.pictures.find import FEW, check_enough, digest_of, find_pictures
from segpp.train.pictures.reading import Reader, readable
from segpp.train.pictures.split import Split, split
from segpp.train.report import DistillFailedError, DistillResult, MeanIous, Teacher, WrittenFile
from segpp.train.saving.rounded import rounded
from segpp.train.saving.student import Layout, layout_of
from segpp.train.saving.write import check_target, write_student
from segpp.train.scores import Scored, mious
from segpp.utils.progress import Show, announce, step

__all__ = ["distill"]

_LEAST_CHECK_EVERY = 25
# Of the shares of classes in two pictures' masks, the mean difference.
_SAME_SHARES = 0.002


@dataclass(frozen=True)
class _Task:
    """Everything that is decided before the first step."""

    config: DistillConfig
    world: World
    layout: Layout
    spec: InputSpec
    reduction: ReductionConfig
    pictures: Split[Path]
    left_out: tuple[str, ...]

    @property
    def checkpoint(self) -> Checkpoint:
        """The teacher."""
        return self.layout.checkpoint

    @property
    def check_every(self) -> int:
        """Steps between checks, which then take about a tenth of the time."""
        return self.config.check_every or max(_LEAST_CHECK_EVERY, len(self.pictures.held))

    def teacher(self) -> Network:
        """Return the network as it is."""
        return self.checkpoint.build().to(self.world.device)

    def student(self) -> Network:
        """Return the network with the reduction inside, its weights its own."""
        own = {name: tensor.clone() for name, tensor in self.checkpoint.state.items()}
        network = replace(self.checkpoint, state=own).build()
        network.apply_reductions(self.reduction, match_interval=self.config.match_interval)
        return network.to(self.world.device)


# What the student is scored by, given the teacher; None where there are no labels.
Labels = Callable[[Checkpoint], Scored | None]


def distill(config: DistillConfig, labels: Labels = lambda _teacher: None) -> DistillResult:
    """Train ``config.checkpoint`` to do with merged tokens what it does without; write the student.

    Args:
        config: What the caller chose.
        labels: What to score by; nothing is learned from it.

    Returns:
        What was done; of several processes' the first one's is whole.

    Raises:
        InputError: An argument, a file or a place to write to cannot be used.
        CheckError: The student got no better, or the training diverged; nothing is written.
        MissingError: There is no GPU.
    """
    check_config(config)
    with joined(config.device, config.batch, config.threads) as world:
        task = _prepared(config, world)
        scored = labels(task.checkpoint)
        student, judge, keeper = task.student(), _judge(task), Keeper(config.resume, world)
        progress = _begun(task, student, judge, keeper)
        _train(task, student, judge, progress, keeper)
        return _finished(task, progress, keeper, scored, judge)


def _prepared(config: DistillConfig, world: World) -> _Task:
    with _told("reading the checkpoint", world):
        layout = layout_of(config.checkpoint, config.choices)
        check_target(layout, config.out, as_folder=config.writes_folder)
        if world.is_first:
            layout.try_out(config.out)
    spec = resolve_input(config.export, layout.checkpoint)
    reduction = resolve_reduction(config.export, layout.checkpoint, spec)
    found, left_out = find_pictures(config.pictures)
    check_not_a_picture(config.out, found)
    parts = split(found, config.held_back)
    with _told("looking at the pictures held back", world):
        held = readable(parts.held, spec)
    if not held:
        raise InputError(
            f"none of the {len(parts.held)} pictures held back can be read",
            *(str(path) for path in parts.held[:3]),
        )
    check_enough((*parts.learned, *held), left_out)
    return _Task(config, world, layout, spec, reduction, Split(parts.learned, held), left_out)


def _judge(task: _Task) -> Judge:
    return Judge(
        task.teacher(),
        task.pictures.held,
        Reader(task.spec),
        task.world,
        task.config.batch,
        task.checkpoint.align_corners,
    )


def _settings(task: _Task) -> dict[str, str]:
    """Return what must be the same for a training to go on; how long it may take need not."""
    config, spec = task.config, task.spec
    return {
        "teacher": task.checkpoint.sha256,
        "format": task.checkpoint.format,
        "weights": f"{config.choices.weights} {config.choices.prefix or ''}".strip(),
        "reduction": " ".join(_texts(task.reduction)),
        "match_interval": str(config.match_interval),
        "input": f"{spec.height}x{spec.width} {spec.fit} {spec.mean} {spec.std}",
        "files": f"white {spec.white}, bands {spec.bands}",
        "pictures": digest_of([*task.pictures.learned, *task.pictures.held]),
        "held_back": f"{len(task.pictures.held)} of them",
        "steps": str(config.steps),
        "batch": str(config.batch),
        "learning_rate": f"{config.learning_rate:g}",
        "mask_weight": f"{config.mask_weight:g}",
        "stage_weight": f"{config.stage_weight:g}",
        "temperature": f"{config.temperature:g}",
        "check_every": str(task.check_every),
        "seed": str(config.seed),
        "precision": config.precision,
    }


def _begun(task: _Task, student: Network, judge: Judge, keeper: Keeper) -> Progress:
    """Return a training that was stopped, with its weights in the student, or a new one."""
    settings = _settings(task)
    weights: dict[str, torch.Tensor] = dict(trained(student))
    restart = task.config.restart
    stopped = keeper.found(settings, weights, restart=restart)
    student.requires_grad_(requires_grad=False)
    if stopped is not None:
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(stopped.student[name])
        stopped.student = weights
        if task.world.is_first:
            announce(f"going on after {stopped.step} steps, as {keeper.path} has it")
        _learns(student)
        return stopped
    if restart:
        keeper.remove()
    began = time.monotonic()
    with _told("comparing the student with its teacher, before", task.world):
        start = judge(student)
    took = time.monotonic() - began
    _learns(student)
    precision = _precision(task, student)
    return Progress(settings, precision, start, weights, best=start, check_seconds=took)


def _learns(student: Network) -> None:
    for weight in trained(student).values():
        weight.requires_grad_()


def _precision(task: _Task, student: Network) -> str:
    spec, world = task.spec, task.world
    shape = (1, *spec.shape[1:])
    asked = task.config.precision
    with _told("choosing what to compute in", world):
        own = choose_precision(asked, Tapped(student), shape, world.device)
    # The first one's measurement counts for all.
    return (world.of_first(own.encode()) or b"").decode()


def _train(task: _Task, student: Network, judge: Judge, progress: Progress, keeper: Keeper) -> None:
    config, world = task.config, task.world
    with _told("distilling", world) as show:
        training = Training(
            judge.teacher,
            student,
            batches=Batches(
                task.pictures.learned,
                Reader(task.spec),
                config.batch,
                config.seed,
                world.rank,
                world.size,
            ),
            judge=judge,
            plan=_plan(task),
            progress=progress,
            world=world,
            show=show,
            save=keeper,
        )
        try:
            training.run()
        except KeyboardInterrupt:
            keeper.write(training.snapshot())
            if world.is_first:
                announce(f"stopped after {progress.step} steps; the same command goes on")
            raise


def _plan(task: _Task) -> Plan:
    config = task.config
    return Plan(
        rate=config.learning_rate,
        mask_weight=config.mask_weight,
        stage_weight=config.stage_weight,
        temperature=config.temperature,
        patience=config.patience,
        check_every=task.check_every,
        steps=config.steps,
        seconds=None if config.minutes is None else 60 * config.minutes,
    )


def _finished(
    task: _Task, progress: Progress, keeper: Keeper, scored: Scored | None, judge: Judge
) -> DistillResult:
    """Score, write and report; the training is over either way."""
    state = _as_written(task, progress, judge)
    miou = None if scored is None else _scores(task, state, scored)
    warnings = (*task.left_out, *_warnings(task, judge))

    def result_of(file: WrittenFile | None) -> DistillResult:
        return _result(task, progress, file, miou, warnings)

    if not progress.kept:
        keeper.remove()
        raise DistillFailedError(result_of(None))
    result = result_of(None)
    if task.world.is_first:
        result = write_student(
            task.layout,
            state,
            task.config.out,
            result_of,
            as_folder=task.config.writes_folder,
        )
    task.world.wait()
    keeper.remove()
    return result


def _as_written(task: _Task, progress: Progress, judge: Judge) -> dict[str, torch.Tensor]:
    """Return the best weights as the file will have them, judged as such where that rounds them."""
    kept = {name: tensor.cpu() for name, tensor in progress.kept.items()}
    state = {**task.checkpoint.state, **kept}
    written = rounded(task.layout, state)
    if all(torch.equal(written[name], tensor) for name, tensor in kept.items()):
        return state
    student = task.student()
    student.load_state_dict({name: written[name] for name in kept}, strict=False)
    progress.best = judge(student)
    if not progress.best.is_better_than(progress.start):
        progress.kept = {}
    return written


def _scores(task: _Task, state: Mapping[str, torch.Tensor], scored: Scored) -> MeanIous:
    """Return the mean IoU of the teacher, and of the student before and after."""
    pictures = task.pictures.held if scored.pictures is None else scored.pictures
    own = {name: tensor.cpu() for name, tensor in state.items()}
    merging = [
        network.build().apply_reductions(task.reduction, match_interval=task.config.match_interval)
        for network in (task.checkpoint, replace(task.checkpoint, state=own))
    ]
    networks = [task.teacher(), *(network.to(task.world.device) for network in merging)]
    with _told(f"scoring on {len(pictures)} pictures with labels", task.world):
        found = mious(
            networks,
            pictures,
            scored.truth,
            checkpoint=task.checkpoint,
            spec=task.spec,
            world=task.world,
        )
    return MeanIous(f"{len(pictures)} pictures {scored.name}", *found)


def _warnings(task: _Task, judge: Judge) -> Iterator[str]:
    count = len(task.pictures.learned) + len(task.pictures.held)
    if count < FEW:
        yield f"{count} pictures are few: what is won holds elsewhere from {FEW} on, or hundreds"
    if mean_difference(task.pictures.held, Reader(task.spec)) < ALIKE or _is_one_scene(judge):
        yield "the pictures are all alike: what is won may be lost on others; give other scenes"


def _is_one_scene(judge: Judge) -> bool:
    first, *others = judge.class_shares()
    return bool(others) and all(float((o - first).abs().mean()) < _SAME_SHARES for o in others)


def _result(
    task: _Task,
    progress: Progress,
    file: WrittenFile | None,
    miou: MeanIous | None,
    warnings: Sequence[str],
) -> DistillResult:
    checkpoint = task.checkpoint
    best: Judged = progress.best
    return DistillResult(
        teacher=Teacher(task.config.checkpoint.name, checkpoint.sha256, checkpoint.format),
        file=file,
        size=f"{task.spec.height}x{task.spec.width}",
        reduction=_texts(task.reduction),
        match_interval=task.config.match_interval,
        learned=len(task.pictures.learned),
        held_back=len(task.pictures.held),
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


def _texts(reduction: ReductionConfig) -> tuple[str, ...]:
    return tuple(f"{site}={method.to_string()}" for site, method in reduction.items())


@contextmanager
def _told(label: str, world: World) -> Iterator[Show]:
    """Show a step of the work, in one process of several."""
    if not world.is_first:
        yield lambda _share, _what: None
        return
    with step(label) as show:
        yield show
