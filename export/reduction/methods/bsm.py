"""bsm: bipartite soft matching, merging the most similar tokens of a grid.

Source: Bolya & Hoffman, Token Merging for Fast Stable Diffusion, 2023 (arXiv:2303.17604), as
Kienzle et al. use it in SegFormer++, 2024 (arXiv:2405.14467): the tokens themselves are compared,
means are not weighted by size, and the match is recomputed in every block.

The first token of every complete cell of sy x sx tokens is a destination, all others are sources.
Each source looks for its most similar destination; the ``ratio * N`` sources that are most similar
to theirs merge into it.

Options of our own change which tokens those are and what becomes of them, never how many: see
``matching.saliency``, ``matching.protected_tokens``, ``matching.destination_exchange`` and
``assignments.largest_values``. With their defaults the graph is the plain one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from segpp.errors import ReductionError
from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.base import TokenAssignment, TokenReduction
from segpp.ops.grid import Grid
from segpp.ops.partition import BipartitePartition

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BipartiteSoftMatching"]

# A cosine and a saliency are within 2: beyond this the first decides nothing that FP32 could tell.
_MOST_PROTECTED = 100
# As ``matching.protected_tokens`` has it, which imports torch.
_PROTECTING_CHANNELS = 2


@REDUCTIONS.register("bsm")
@dataclass(frozen=True)
class BipartiteSoftMatching(TokenReduction):
    """Merge a share of all tokens into the most similar of one token per cell.

    Attributes:
        ratio: Share of *all* tokens to merge away, in [0, 1); more than the sources merges all
            sources.
        sy: Rows of a cell.
        sx: Columns of a cell.
        window: How many cells away a destination may be; 0 is any distance, as in the paper.
        protect: How much a source's saliency is taken off the similarity by which it merges.
        destination: Which token of a cell is its destination: the first (``corner``), that in the
            middle, the least salient (``typical``) or the most.
        value: What merged tokens become: their mean, or in each channel the value with the largest
            magnitude (``max``).
    """

    name: ClassVar[str] = "bsm"
    unusual: ClassVar[tuple[str, ...]] = ("protect", "destination", "value")

    ratio: float = 0.5
    sy: int = 2
    sx: int = 2
    window: int = 0
    protect: float = 0.0
    destination: Literal["corner", "center", "typical", "salient"] = "corner"
    value: Literal["mean", "max"] = "mean"

    def __post_init__(self) -> None:
        if not 0 <= self.ratio < 1:
            raise ReductionError(
                f"bsm cannot merge a share of {self.ratio:g}", "ratio must lie in [0, 1)"
            )
        if min(self.sy, self.sx) < 1 or self.sy * self.sx == 1:
            raise ReductionError(
                f"bsm cannot use cells of {self.sy}x{self.sx} tokens",
                "a cell needs at least two tokens: one stays, the others may merge",
            )
        if self.window < 0:
            raise ReductionError(f"bsm cannot use a window of {self.window}", "0 is any distance")
        if not 0 <= self.protect <= _MOST_PROTECTED:
            raise ReductionError(
                f"bsm cannot protect tokens by {self.protect:g}",
                f"protect must lie in [0, {_MOST_PROTECTED}]; 0 protects none",
            )
        for key in ("destination", "value"):
            self._check_word(key, getattr(self, key))

    def check_fits(self, grid: Grid) -> None:
        """Raise ReductionError if the grid is smaller than one cell."""
        if grid.height < self.sy or grid.width < self.sx:
            raise ReductionError(
                f"bsm with cells of {self.sy}x{self.sx} does not fit a grid of {grid} tokens",
                f"the grid needs at least {self.sy}x{self.sx} tokens",
                hint="use a larger input, or smaller cells: bsm:sy=2,sx=2",
            )

    def num_merged(self, grid: Grid) -> int:
        """Return how many tokens of ``grid`` merge away."""
        # int() truncates like the reference; rounding would change the graph's shapes.
        asked_for = int(grid.tokens * self.ratio)
        return min(asked_for, self._partition(grid).num_sources)

    def tokens_out(self, grid: Grid) -> int:
        """Return how many tokens of ``grid`` are left."""
        return grid.tokens - self.num_merged(grid)

    def shortfall(self, grid: Grid) -> str | None:
        """Return what merges where cells have fewer sources than the ratio asks for."""
        merged = self.num_merged(grid)
        if int(grid.tokens * self.ratio) == merged:
            return None
        return f"{100 * merged / grid.tokens:.3g} % instead of {100 * self.ratio:.3g} %"

    def compared_pairs(self, grid: Grid) -> int:
        """Return how many pairs of source and destination one match compares."""
        return self._partition(grid).compared_pairs(self.window)

    def compared_channels(self, channels: int) -> int:
        """Return how long the compared vectors are: protection adds two channels."""
        return channels + _PROTECTING_CHANNELS if self.protect else channels

    def destinations(self, grid: Grid) -> int:
        """Return how many complete cells ``grid`` has."""
        return self._partition(grid).cells.tokens

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:
        """Match the tokens x (B, N, C)."""
        # A board lists methods and counts tokens without torch.
        from segpp.export.custom_ops import torch_ops  # noqa: PLC0415
        from segpp.export.reduction.assignments.bipartite_assignment import (  # noqa: PLC0415
            BipartiteAssignment,
        )
        from segpp.export.reduction.matching.matched_tokens import matched_tokens  # noqa: PLC0415

        num_merged, partition = self.num_merged(grid), self._partition(grid)
        tokens, exchange = matched_tokens(
            x, partition, protect=self.protect, destination=self.destination
        )
        slot = torch_ops.match(
            tokens,
            grid,
            stride_y=self.sy,
            stride_x=self.sx,
            merged=num_merged,
            window=partition.within_reach(self.window),
        )
        if exchange is not None:
            slot = exchange.of_numbers(slot)
        num_singletons = partition.num_sources - num_merged
        return BipartiteAssignment(
            slot, self.tokens_out(grid), num_singletons, is_largest=self.value == "max"
        )

    def _partition(self, grid: Grid) -> BipartitePartition:
        return BipartitePartition(grid, self.sy, self.sx)
