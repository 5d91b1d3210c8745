"""One match for several blocks of a stage.

From block to block most tokens keep their neighbours' similarity, so what one block assigns serves
the next ones too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from segpp.export.reduction.base import TokenAssignment, TokenReduction
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MatchInterval", "TokenMatcher", "interval_at", "lend_match", "share_matches"]

# In how many consecutive blocks one match serves: the same in all stages, or by stage.
MatchInterval = int | Mapping[int, int]


def interval_at(match_interval: MatchInterval, stage: int) -> int:
    """Return in how many blocks of ``stage`` one match serves; 1 where it is not named."""
    if isinstance(match_interval, int):
        return match_interval
    return match_interval.get(stage, 1)


class TokenMatcher(Protocol):
    """What decides the merging of one block: a reduction, or the decision of a block before."""

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:
        """Decide for the tokens x (B, N, C) on ``grid``."""
        ...


def share_matches(
    reduction: TokenReduction | None, blocks: int, interval: int
) -> Sequence[TokenMatcher | None]:
    """Return a matcher for each block of a stage.

    Args:
        reduction: What merges in the stage; without one no block merges.
        blocks: How many blocks the stage has.
        interval: Every ``interval``-th block matches, those between take over its assignment.
    """
    if reduction is None:
        return [None] * blocks
    matchers: list[TokenMatcher] = []
    for start in range(0, blocks, interval):
        followers = min(interval, blocks - start) - 1
        if not followers:
            matchers.append(reduction)
            continue
        first = _FirstBlock(reduction)
        last = [index == followers - 1 for index in range(followers)]
        matchers += [first, *(_LaterBlock(first, last=is_last) for is_last in last)]
    return matchers


def lend_match(matcher: TokenMatcher) -> tuple[TokenMatcher, TokenMatcher]:
    """Return what decides in place of ``matcher``, and what takes the decision over, once."""
    first = _FirstBlock(matcher)
    return first, _LaterBlock(first, last=True)


@dataclass
class _FirstBlock:
    reduction: TokenMatcher
    assignment: TokenAssignment | None = None

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:
        self.assignment = self.reduction.match(x, grid)
        return self.assignment


@dataclass(frozen=True)
class _LaterBlock:
    first: _FirstBlock
    last: bool

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:  # noqa: ARG002 - decided before
        assignment = self.first.assignment
        if assignment is None:
            raise RuntimeError("a block follows a match that has not been made")
        if self.last:
            # Nothing of an image outlives its pass.
            self.first.assignment = None
        return assignment
