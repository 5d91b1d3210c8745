"""The steps of a training, from where it is to its end."""

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from segpp.errors import CheckError
from segpp.export.models.network import Network
from segpp.train.gates.dynamic import Gating
from segpp.train.learning.judge import Judge
from segpp.train.learning.objectives import Given, Objective
from segpp.train.learning.optimizer import moments_of, optimizer_for, restore, trained
from segpp.train.learning.precision import autocast
from segpp.train.learning.schedule import learning_rate
from segpp.train.learning.signals import undivided
from segpp.train.learning.state import Progress
from segpp.train.learning.tapped import Tapped
from segpp.train.learning.world import World
from segpp.train.pictures.batches import Batch, Batches

__all__ = ["DivergedError", "Plan", "Training"]

_MOST_GRADIENT = 1.0
_MOST_FOR_LAST_CHECK = 0.25
# Of the loss that is shown: of about so many steps.
_SHOWN_STEPS = 20
# An update takes milliseconds; one that does not end has failed.
_UPDATE_SECONDS = 5.0


class DivergedError(CheckError):
    """The loss is no number, and going on would give none either."""


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        rate: The highest.
        patience: Checks without improvement after which it ends.
        check_every: Steps between checks.
        gate_weight: Of the size of dynamic gates.
        steps: How many; None where time says.
        seconds: How long; None where steps say.
    """

    rate: float
    patience: int
    check_every: int
    steps: int | None
    seconds: float | None
    gate_weight: float = 0.0


class Training:
    """A student on its way.

    Args:
        objective: What is learned.
        student: Network that learns.
        batches: To learn on.
        judge: Of the student.
        plan: How to train.
        progress: Where it is; its weights are the student's.
        world: The processes.
        show: Told the share that is done, the best check and the loss.
        save: Called between steps, for whoever keeps the progress.
    """

    def __init__(
        self,
        objective: Objective,
        student: Network,
        *,
        batches: Batches,
        judge: Judge,
        plan: Plan,
        progress: Progress,
        world: World,
        show: Callable[[float, str], object] = lambda _share, _what: None,
        save: Callable[[Progress], object] = lambda _progress: None,
    ) -> None:
        self.objective, self.student = objective, student
        self.batches, self.judge = batches, judge
        self.plan, self.progress, self.world = plan, progress, world
        self._show, self._save = show, save
        self._learning = _shared(Tapped(student), world)
        self._optimizer = optimizer_for(student, plan.rate)
        restore(self._optimizer, student, progress.moments, progress.step)
        self._scaler = torch.amp.GradScaler(world.device.type, enabled=progress.precision == "fp16")
        if progress.scale:
            self._scaler.load_state_dict(progress.scale)
        self._loss: float | None = None
        self._gating = Gating(student)
        self._is_whole = threading.Event()
        self._is_whole.set()

    def run(self) -> None:
        """Train to the end; ``progress`` is that of the last whole step, however it ends.

        Raises:
            DivergedError: The loss is no number any more.
        """
        with warnings.catch_warnings():
            # Gradients of 1x1 tensors of two layouts are the same; it comes with several processes.
            warnings.filterwarnings("ignore", message="Grad strides do not match bucket view")
            self._run()

    def _run(self) -> None:
        # A training may have been stopped between a step and its check.
        self._check_if_due()
        with self.batches.from_step(self.progress.step) as batches:
            while not self._is_done():
                start = time.monotonic()
                share = self._share()
                self._step(next(batches), share, start)
                self._check_if_due()
                self._tell()
                self._save(self.snapshot())
        if not self._is_checked():
            self.check()

    def snapshot(self) -> Progress:
        """Return the progress with everything that goes on from it.

        Raises:
            CheckError: An update is not done, and it is that of no step.
        """
        if not self._is_whole.wait(_UPDATE_SECONDS):
            raise CheckError(f"the step after {self.progress.step} is done by half")
        self.progress.moments = moments_of(self._optimizer, self.student)
        self.progress.scale = dict(self._scaler.state_dict())
        return self.progress

    def check(self) -> None:
        """Judge the student, and keep its weights if they are the best so far."""
        progress, start = self.progress, time.monotonic()
        # While more channels are learned with than are judged, a check says little.
        counts = not self._gating.is_annealing(self._share())
        self._gating.rest()
        found = self.judge(self.student)
        with self._update():
            progress.history.append((progress.step, *found.numbers))
            progress.checks_since_best += counts
            if found.is_better_than(progress.best):
                progress.best, progress.best_step = found, progress.step
                progress.kept = _copied(trained(self.student))
                progress.checks_since_best = 0
            progress.check_seconds = time.monotonic() - start
            progress.seconds += progress.check_seconds

    def _check_if_due(self) -> None:
        step = self.progress.step
        if step and step % self.plan.check_every == 0 and not self._is_checked():
            self.check()

    def _is_checked(self) -> bool:
        history = self.progress.history
        return bool(history) and history[-1][0] == self.progress.step

    def _step(self, batch: Batch, share: float, start: float) -> None:
        rate = learning_rate(self.plan.rate, self.progress.step, share)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss_of(batch, share)
        torch.autograd.backward(self._scaler.scale(loss))
        self._scaler.unscale_(self._optimizer)
        nn.utils.clip_grad_norm_(self.student.parameters(), _MOST_GRADIENT)
        shown = float(loss.detach())
        self._check_finite(shown)
        with self._update():
            self._scaler.step(self._optimizer)
            self._scaler.update()
            self.progress.step += 1
            self.progress.seconds += time.monotonic() - start
        weight = 1 / _SHOWN_STEPS
        self._loss = shown if self._loss is None else self._loss + weight * (shown - self._loss)

    @contextmanager
    def _update(self) -> Iterator[None]:
        with undivided():
            self._is_whole.clear()
            yield
            self._is_whole.set()

    def _loss_of(self, batch: Batch, share: float) -> Tensor:
        plan, device = self.plan, self.world.device
        images = torch.from_numpy(batch.images).to(device)
        labels = None if batch.labels is None else torch.from_numpy(batch.labels).to(device)
        self._gating.learn(share)
        with autocast(self.progress.precision, device):
            with torch.no_grad():
                taught = self.objective.teach(images)
            given = Given(*self._learning(images))
        loss = self.objective.loss(given, taught, labels, share)
        if self._gating and plan.gate_weight:
            loss = loss + plan.gate_weight * self._gating.penalty()
        return loss

    def _check_finite(self, loss: float) -> None:
        if self.world.total([0.0 if isfinite(loss) else 1.0])[0]:
            raise DivergedError(
                f"the loss is {loss} after {self.progress.step} steps",
                hint=f"take smaller steps: `learning_rate={self.plan.rate / 4:g}` with "
                "`restart=True`, or compute in FP32: `precision=fp32`",
            )

    def _share(self) -> float:
        """Return the share of the training that is done, the same in every process."""
        if self.plan.steps is not None:
            return self.progress.step / self.plan.steps
        return self.world.largest(self._own_share())

    def _is_done(self) -> bool:
        return self._share() >= 1 or self.progress.checks_since_best >= self.plan.patience

    def _tell(self) -> None:
        share = self._own_share()
        left = self.progress.seconds * (1 - share) / share if share else 0.0
        minutes, seconds = divmod(round(max(left, 0.0)), 60)
        self._show(
            share,
            f"{self.progress.best}, loss {self._loss or 0:.4f}, {minutes}:{seconds:02d} left,",
        )

    def _own_share(self) -> float:
        if self.plan.steps is not None:
            return self.progress.step / self.plan.steps
        limit = cast("float", self.plan.seconds)
        # The last check wants time too; most of it is there to learn in.
        last = min(self.progress.check_seconds, _MOST_FOR_LAST_CHECK * limit)
        return self.progress.seconds / (limit - last)


def _shared(student: Tapped, world: World) -> nn.Module:
    if world.size == 1:
        return student
    devices = [world.device.index] if world.device.type == "cuda" else None
    # Statistics are frozen: there is nothing of buffers to tell the others.
    with warnings.catch_warnings():
        # Newer releases deprecate the name for one that sends them once all the same.
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(student, device_ids=devices, broadcast_buffers=False)


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}
