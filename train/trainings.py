"""The trainings that there are: what each learns, and what it returns."""

from collections.abc import Callable

from segpp.export.models.base import Checkpoint
from segpp.train.config import DistillConfig, FineTuneConfig, PolicyConfig
from segpp.train.learning.judge import Judge
from segpp.train.learning.objectives.distillation import Distillation
from segpp.train.learning.objectives.labels import FromLabels
from segpp.train.learning.tapped import Tapped
from segpp.train.parts.judge import PolicyJudge
from segpp.train.parts.superpatches import FromSuperpatches
from segpp.train.pipeline import Kind, Labels, trained_by
from segpp.train.report import (
    DistillFailedError,
    DistillResult,
    FineTuneFailedError,
    FineTuneResult,
    PolicyFailedError,
    PolicyResult,
)
from segpp.train.scores import Truth
from segpp.train.task import Task

__all__ = ["distill", "fine_tune", "train_policy"]


def distill(config: DistillConfig, labels: Labels = lambda _teacher: None) -> DistillResult:
    """Train ``config.checkpoint`` to do with less what it does with all; write the student.

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

    def objective(task: Task, judge: Judge) -> Distillation:
        return Distillation(
            Tapped(judge.teacher),
            task.checkpoint.align_corners,
            config.mask_weight,
            config.stage_weight,
            config.temperature,
            config.stages_alone,
            task.auxiliary_weight,
        )

    kind = Kind("distilling", objective, DistillResult, DistillFailedError)
    return trained_by(config, kind, labels)


def fine_tune(
    config: FineTuneConfig,
    truth: Callable[[Checkpoint], Truth],
    labels: Labels = lambda _checkpoint: None,
) -> FineTuneResult:
    """Train ``config.checkpoint`` by labels, with less or with all; write the student.

    Args:
        config: What the caller chose.
        truth: Labels of its pictures, given what the checkpoint is.
        labels: What to score by besides; the pictures held back if None.

    Returns:
        What was done; of several processes' the first one's is whole.

    Raises:
        InputError: An argument, a file or a place to write to cannot be used.
        CheckError: The student got no better, or the training diverged; nothing is written.
        MissingError: There is no GPU.
    """

    def objective(task: Task, judge: Judge) -> FromLabels:
        teacher = Tapped(judge.teacher) if config.distil_weight else None
        weights = config.distil_weight, config.temperature, task.auxiliary_weight
        return FromLabels(teacher, task.checkpoint.align_corners, *weights)

    kind = Kind("training", objective, FineTuneResult, FineTuneFailedError, truth)
    return trained_by(config, kind, labels)


def train_policy(config: PolicyConfig, truth: Callable[[Checkpoint], Truth]) -> PolicyResult:
    """Train a policy by labels, by which patches of ``config.checkpoint`` share tokens; write both.

    Args:
        config: What the caller chose.
        truth: Labels of its pictures, given what the checkpoint is.

    Returns:
        What was done; of several processes' the first one's is whole.

    Raises:
        InputError: An argument, a file or a place to write to cannot be used.
        CheckError: The policy got no better, or the training diverged; nothing is written.
        MissingError: There is no GPU.
    """

    def objective(task: Task, judge: Judge) -> FromSuperpatches:
        del task, judge
        return FromSuperpatches()

    kind = Kind(
        "training the policy",
        objective,
        PolicyResult,
        PolicyFailedError,
        truth,
        PolicyJudge,
        scores=False,
    )
    return trained_by(config, kind, lambda _checkpoint: None)
