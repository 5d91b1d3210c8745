"""gbm: the most similar of all tokens merge into others, whatever their places.

Source: Norouzi et al., ALGM, 2024 (arXiv:2406.09936), section 3.3: global bipartite matching, in
the fifth block, or the seventh of 24; Bolya et al., Token Merging, 2023 (arXiv:2210.09461), section
3, whose match it is. There a threshold made of an image's own similarities decides how many merge;
here as many do in every image.

Every second token of the sequence is a destination, the first one of them, and each of the others
looks for its most similar destination; the most similar ones merge into it. Tokens count for all
the patches that they stand for. What is left is in the order of ``bsm``: those that looked and
stay, then all destinations.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from segpp.errors import ReductionError
from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.base import TokenAssignment
from segpp.export.reduction.counts import CountedReduction
from segpp.export.reduction.sites import Side
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GlobalBipartiteMatching"]


@REDUCTIONS.register("gbm")
@dataclass(frozen=True)
class GlobalBipartiteMatching(CountedReduction):
    """Merge a share of all tokens into the most similar of every second one.

    Attributes:
        ratio: Share of all tokens to merge away, above 0 and up to a half; at least one merges.
        count: How many tokens merge, in place of the share; 0 goes by the share.
    """

    name: ClassVar[str] = "gbm"
    unusual: ClassVar[tuple[str, ...]] = ("count",)
    sides: ClassVar[tuple[Side, ...]] = ("tokens",)
    is_weighted: ClassVar[bool] = True

    # Of similarities above their mean and a fifth of their deviation, there are as many in about
    # every image: 42 % of the tokens that look, 21 % of all.
    ratio: float = 0.21
    count: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.ratio <= 1 / 2:
            raise ReductionError(
                f"gbm cannot merge a share of {self.ratio:g} of the tokens",
                "every second token can merge: ratio must lie above 0 and up to 0.5",
            )
        if self.count < 0:
            raise ReductionError(f"gbm cannot merge {self.count} tokens", "0 goes by the ratio")

    def check_fits(self, grid: Grid) -> None:
        """Raise ReductionError if there are too few tokens."""
        sources = grid.tokens // 2
        if not sources:
            raise ReductionError(
                f"gbm does not fit a grid of {grid} tokens", "there must be at least 2"
            )
        if self.count > sources:
            raise ReductionError(
                f"gbm cannot merge {self.count} of {grid.tokens} tokens",
                f"every second token can merge: {sources}",
            )

    def num_merged(self, grid: Grid) -> int:
        """Return how many tokens of ``grid`` merge away."""
        return self.count or max(1, int(grid.tokens * self.ratio))

    def tokens_out(self, grid: Grid) -> int:
        """Return how many tokens of ``grid`` are left."""
        return grid.tokens - self.num_merged(grid)

    def compared_pairs(self, grid: Grid) -> int:
        """Return how many pairs the match compares; an odd token too many counts as one."""
        return self.destinations(grid) ** 2

    def destinations(self, grid: Grid) -> int:
        """Return every second token, from the first on."""
        return (grid.tokens + 1) // 2

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:
        """Match the tokens x (B, N, C) as one line."""
        # A board lists methods and counts tokens without torch.
        from segpp.export.reduction.assignments.bipartite_assignment import (  # noqa: PLC0415
            BipartiteAssignment,
        )
        from segpp.export.reduction.matching.line_match import line_match  # noqa: PLC0415

        merged = self.num_merged(grid)
        slot = line_match(x, merged)
        return BipartiteAssignment(slot, grid.tokens - merged, grid.tokens // 2 - merged)

    @property
    def leaving(self) -> int:
        """One token leaves with each that is counted."""
        return 1

    def wanted(self, x: "Tensor", grid: Grid, *, threshold: float | None, block: int) -> "Tensor":
        """Return how many tokens of each image are similar enough to another one, (B,).

        Enough is the mean of an image's own similarities and a part of their deviation, which the
        block divides: nothing else is set by hand.
        """
        from segpp.export.reduction.matching.line_match import best_cosines  # noqa: PLC0415

        del grid, threshold
        best = best_cosines(x)
        enough = best.mean(1, keepdim=True) + best.std(1, keepdim=True) / block
        return (best >= enough).sum(1)
