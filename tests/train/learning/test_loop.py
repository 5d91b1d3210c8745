"""Steps and checks: where a training was stopped makes no difference, and bad ones end."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from segpp.errors import CheckError
from segpp.export.models.segformer.architecture import Numerics
from segpp.export.models.segformer.family import FAMILY
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import PRESETS
from segpp.export.reduction.gates.config import build_gates
from segpp.manifest import InputSpec
from segpp.train.gates.dynamic import add_predictors
from segpp.train.learning.judge import Judge
from segpp.train.learning.judged import Judged
from segpp.train.learning.loop import Plan, Training
from segpp.train.learning.objectives.distillation import Distillation
from segpp.train.learning.optimizer import trained
from segpp.train.learning.state import Progress, read_state, write_state
from segpp.train.learning.tapped import Tapped
from segpp.train.learning.world import World
from segpp.train.pictures.batches import Batches
from segpp.train.pictures.reading import Reader
from tests.conftest import corners
from tests.helpers.checkpoints import MINIATURE, lively, ours

SPEC = InputSpec("image", (1, 3, 64, 64), "float32", "NCHW", "RGB", (120.0,) * 3, (60.0,) * 3)
PLAN = Plan(5e-4, patience=99, check_every=2, steps=6, seconds=None)
Film = Callable[..., Path]


class Stopped(Judge):
    """Is interrupted in one of its checks."""

    stops_at = -1
    calls = 0

    def __call__(self, student: torch.nn.Module) -> Judged:
        self.calls += 1
        if self.calls == self.stops_at:
            raise KeyboardInterrupt
        return super().__call__(student)


# Annealed over the first three of six steps, one of which learns from stages alone.
GATED = ("2.hidden=dynamic:keep=0.25", "3.hidden=fixed:keep=0.5", "3.qkv=dynamic:keep=0.5")
GATED_PLAN = replace(PLAN, gate_weight=1e-3)


def networks(gates: Sequence[str] = ()) -> tuple[SegFormer, SegFormer]:
    """A teacher, and the same network with tokens merged and channels left out."""
    architecture = replace(MINIATURE, classes=6)
    teacher = SegFormer(architecture, Numerics(1e-6, 1e-6, 1e-6, 1e-6)).eval()
    teacher.load_state_dict(lively(ours(architecture)), strict=False)
    teacher.requires_grad_(requires_grad=False)
    student = deepcopy(teacher).apply_reductions(PRESETS["2x2"])
    draws = [lambda: np.linspace(-1, 1, 3 * 64 * 64, dtype=np.float32).reshape(1, 3, 64, 64)]
    FAMILY.apply_gates(student, build_gates(gates, FAMILY.places), draws, dense=True)
    add_predictors(student, draws, 0)
    return teacher, student.requires_grad_()


def training(
    frames: Path,
    plan: Plan = PLAN,
    progress: Progress | None = None,
    gates: Sequence[str] = (),
    **weights: float,
) -> Training:
    """A training from its start, or from where another was."""
    teacher, student = networks(gates)
    paths = sorted(frames.iterdir())
    judge = Stopped(teacher, paths[8:], Reader(SPEC), World(), 2, align_corners=False)
    if progress is None:
        start = Judged(0.0, 1.0)
        progress = Progress({}, "fp32", start, {}, best=start)
    else:
        with torch.no_grad():
            for name, weight in trained(student).items():
                weight.copy_(progress.student[name])
    progress.student = dict(trained(student))
    batches = Batches(paths[:8], Reader(SPEC), 2, seed=0)
    usual = {"mask_weight": 1.0, "stage_weight": 1.0, "temperature": 1.0}
    if gates:
        usual["stages_alone"] = 0.2
    return Training(
        Distillation(Tapped(teacher), align_corners=False, **{**usual, **weights}),
        student,
        batches=batches,
        judge=judge,
        plan=plan,
        progress=progress,
        world=World(),
    )


@pytest.mark.parametrize("gates", [(), GATED], ids=["tokens", "channels"])
@pytest.mark.parametrize("stops_at", corners((1, 2, 3), (2).__eq__))
def test_a_stop_in_a_check_makes_no_difference(
    stops_at: int, gates: Sequence[str], film: Film, tmp_path: Path
) -> None:
    frames, state = film(), tmp_path / "state"
    plan = GATED_PLAN if gates else PLAN
    whole, stopped = training(frames, plan, gates=gates), training(frames, plan, gates=gates)
    whole.run()
    assert isinstance(stopped.judge, Stopped)
    stopped.judge.stops_at = stops_at

    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    write_state(state, stopped.snapshot())
    on = training(frames, plan, read_state(state, trained(stopped.student)), gates)
    on.run()

    assert on.progress.history == whole.progress.history
    assert [step for step, *_ in on.progress.history] == [2, 4, 6]
    for name, weight in trained(whole.student).items():
        assert torch.equal(weight, trained(on.student)[name]), name
    names = [name for name in trained(on.student) if ".gate." in name]
    assert bool(names) == bool(gates)
    before = trained(training(frames, plan, gates=gates).student)
    assert [n for n in names if torch.equal(before[n], trained(on.student)[n])] == []


def test_stages_are_learned_alone_at_first(film: Film) -> None:
    """Masks of any weight then make no difference."""
    runs = [
        training(film(name), replace(PLAN, steps=2), mask_weight=weight, stages_alone=alone)
        for name, weight, alone in (("a", 1.0, 0.9), ("b", 9.0, 0.9), ("c", 9.0, 0.0))
    ]

    for run in runs:
        run.run()

    first, same, other = (trained(run.student)["stages.0.norm.weight"] for run in runs)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_check_while_gates_are_annealed_is_no_reason_to_end(film: Film) -> None:
    plan = replace(PLAN, patience=1, check_every=1, steps=10)
    run = training(film(), plan, gates=GATED)
    run.progress.best = Judged(2.0, 0.0)

    run.run()

    # Four tenths of the steps are annealed, the check behind them counts.
    assert run.progress.step == 4


def test_a_check_that_is_never_better_ends_it_in_time(film: Film) -> None:
    long = training(film(), replace(PLAN, patience=2, check_every=1, steps=50))
    long.progress.best = Judged(2.0, 0.0)

    long.run()

    assert long.progress.step == 2
    assert long.progress.kept == {}


def test_a_loss_that_is_no_number_is_told_with_the_way_out(film: Film) -> None:
    broken = training(film())
    with torch.no_grad():
        next(broken.student.parameters())[0] = torch.nan

    with pytest.raises(CheckError, match=r"nan after 0 steps\n.*learning_rate=0.000125"):
        broken.run()


def test_statistics_of_batch_norm_stay(film: Film) -> None:
    run = training(film())
    before = {name: tensor.clone() for name, tensor in run.student.named_buffers()}

    run.run()

    assert before
    for name, tensor in run.student.named_buffers():
        assert torch.equal(before[name], tensor), name


def test_running_the_network_alone_keeps_nothing(film: Film) -> None:
    """Else every check would fill the memory with what stages gave."""
    run = training(film())

    run.student(torch.zeros(1, 3, 64, 64))

    assert isinstance(run.objective, Distillation)
    assert run.objective.teacher._seen == []
    assert run._learning._seen == []
