"""A training that goes on where it was stopped, and ends with a moving average of the weights."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from segpp.utils.files import atomic_write

__all__ = ["Plan", "train"]

Batch = TypeVar("Batch")

WARMUP = 0.03
KEPT_SECONDS = 120
AVERAGED = 0.998


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        seconds: Of training alone, over all starts.
        kept: File that a start goes on from.
        rate: Highest learning rate of AdamW.
        decay: Of its weights.
    """

    seconds: float
    kept: Path
    rate: float = 4e-4
    decay: float = 0.02


@dataclass
class State:
    """What goes on from one start to the next."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    step: int = 0

    def keep(self, path: Path) -> None:
        """Write it."""
        kept = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        others = {"average": self.average, "seconds": self.seconds, "step": self.step}
        with atomic_write(path) as (part,):
            torch.save({**kept, **others}, part)

    def go_on_from(self, path: Path) -> None:
        """Read it."""
        state = torch.load(path, weights_only=True)  # noqa: TID251 - its own, and no code
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average, self.seconds, self.step = (
            state["average"],
            state["seconds"],
            state["step"],
        )

    def follow(self) -> None:
        """Move the average towards the model."""
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - AVERAGED)


def train(
    model: nn.Module,
    loss_of: Callable[[Batch], Tensor],
    batches_from: Callable[[int], Iterator[Batch]],
    plan: Plan,
) -> None:
    """Train a model, and leave it with the moving average of its weights.

    Args:
        model: In the mode that it learns in.
        loss_of: What is made smaller, of a batch.
        batches_from: Batches from a step on.
        plan: How long, and how.
    """
    state = State(model, torch.optim.AdamW(model.parameters(), plan.rate, weight_decay=plan.decay))
    state.average = {name: value.clone() for name, value in model.state_dict().items()}
    if plan.kept.exists():
        state.go_on_from(plan.kept)
    batches, bar = batches_from(state.step), tqdm(desc="training", unit="step")
    saved = time.monotonic()
    while (share := state.seconds / max(plan.seconds, 1e-9)) < 1:
        start = time.monotonic()
        for group in state.optimizer.param_groups:
            group["lr"] = plan.rate * min(share / WARMUP, (1 - share) ** 0.9)
        loss = _step(state, loss_of(next(batches)))
        state.step, state.seconds = state.step + 1, state.seconds + time.monotonic() - start
        bar.update()
        bar.set_postfix(loss=f"{loss:.3f}", share=f"{share:.3f}")
        if time.monotonic() - saved > KEPT_SECONDS:
            state.keep(plan.kept)
            saved = time.monotonic()
    state.keep(plan.kept)
    model.load_state_dict(state.average)


def _step(state: State, loss: Tensor) -> float:
    state.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    state.optimizer.step()
    state.follow()
    return loss.item()
