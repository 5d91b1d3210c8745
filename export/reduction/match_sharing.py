"""One match for several blocks of a stage.

From block to block most tokens keep their neighbours' similarity, so the slots of one block serve
the next ones too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from segpp.export.reduction.base import Plan, TokenReduction
from segpp.ops.grid import Grid

__all__ = ["MatchEvery", "Planner", "blocks_per_match", "planners"]

# In how many consecutive blocks one match serves: the same in all stages, or by stage.
MatchEvery = int | Mapping[int, int]


def blocks_per_match(match_every: MatchEvery, stage: int) -> int:
    """Return in how many blocks of ``stage`` one match serves; 1 where it is not named."""
    return match_every if isinstance(match_every, int) else match_every.get(stage, 1)


class Planner(Protocol):
    """What decides the reduction of one block."""

    def plan(self, x: Tensor, grid: Grid) -> Plan:
        """Decide for the tokens x (B, N, C) on ``grid``."""
        ...


def planners(reduction: TokenReduction | None, blocks: int, every: int) -> Sequence[Planner | None]:
    """Return a planner for each block: every ``every``-th decides, the next ones follow it."""
    found: list[Planner | None] = []
    if reduction is None:
        return [None] * blocks
    for start in range(0, blocks, every):
        followers = min(every, blocks - start) - 1
        if not followers:
            found.append(reduction)
            continue
        first = _First(reduction)
        found.append(first)
        found += [_Next(first, last=index == followers - 1) for index in range(followers)]
    return found


@dataclass
class _First:
    reduction: TokenReduction
    decided: Plan | None = None

    def plan(self, x: Tensor, grid: Grid) -> Plan:
        self.decided = self.reduction.plan(x, grid)
        return self.decided


@dataclass(frozen=True)
class _Next:
    first: _First
    last: bool

    def plan(self, x: Tensor, grid: Grid) -> Plan:  # noqa: ARG002 - decided before
        decided = self.first.decided
        if decided is None:
            raise RuntimeError("a block follows a match that has not been made")
        if self.last:
            # Nothing of an image outlives its pass.
            self.first.decided = None
        return decided
