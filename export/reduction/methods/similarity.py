"""similarity: a smaller grid of which the tokens decide: neighbours that are alike become one.

Along every row of tokens the most similar neighbours merge, as many in each row, then what is left
along every column: so it is a grid again, whose rows and columns follow the picture. Every second
token may merge into the more similar of its two neighbours; of these the most similar ones do.

At the end every token gets what changed in its slot, as it is: a smaller grid that bends has no
centres of cells to resize between.

Of a plain ViT it shortens the sequence (``3.tokens``), and all that follows runs on the smaller
grid: whatever needs one works behind it, and a token that merges with none keeps the exact turn of
its rotary position. Means there count for all the patches of a slot, however they lie in rows;
what merges along columns is decided by the means of the rows' tokens, as on a grid.

Source of the idea: CubistMerge, 2025 (arXiv:2509.21764), which merges along rows and columns and
keeps the largest magnitude of each channel (``value=max``). Written from its abstract: how
neighbours are chosen is our own.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from segpp.errors import ReductionError
from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.base import TokenAssignment
from segpp.export.reduction.grid_reduction import GridReduction
from segpp.export.reduction.sites import HEAD, Side, Site
from segpp.ops.grid import Grid
from segpp.ops.partition import BipartitePartition

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SimilarityGrid"]

# Every second token stays, and the others can merge.
_LEAST_SHARE = 0.5
# As ``matching.neighbor_match`` has it, which imports torch.
_CODE_CHANNELS = 3


@REDUCTIONS.register("similarity")
@dataclass(frozen=True)
class SimilarityGrid(GridReduction):
    """The most similar neighbours of every row, then of every column, become one.

    Attributes:
        value: What merged tokens become: their mean, or in each channel the value with the largest
            magnitude (``max``).
    """

    name: ClassVar[str] = "similarity"
    unusual: ClassVar[tuple[str, ...]] = ("value",)
    sides: ClassVar[tuple[Side, ...]] = ("grid", "tokens")
    is_content_based: ClassVar[bool] = True

    value: Literal["mean", "max"] = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_word("value", self.value)
        if self.share < _LEAST_SHARE:
            raise ReductionError(
                f"{self.name} cannot keep a share of {self.share:g} of an axis",
                "every second token of a row can merge into a neighbour: "
                f"share must lie in [{_LEAST_SHARE:g}, 1)",
                hint=f"area:share={self.share:g}, or more than half by {self.name}",
            )

    @property
    def is_weighted(self) -> bool:  # type: ignore[override]  # a setting decides
        """Whether means count for how many patches a token stands; the largest value does not."""
        return self.value == "mean"

    def check_side(self, site: Site) -> None:
        """Raise ReductionError for another side, or for the head, whose logits are a picture."""
        super().check_side(site)
        if site.stage == HEAD:
            raise ReductionError(
                f"{self.name} cannot make the grid of the head",
                "its logits would lie on rows and columns that follow the tokens, not the picture",
                hint=f"{site}=area:share={self.share:g}",
            )

    def pool_macs(self, grid: Grid) -> int:
        """Return the one-hot products of the rows and of the columns."""
        small = self.grid_out(grid)
        rows = grid.tokens * small.width if small.width < grid.width else 0
        columns = grid.height * small.tokens if small.height < grid.height else 0
        return rows + columns

    def matches(self, grid: Grid) -> int:
        """Return how many matches there are: of the rows, and of the columns."""
        small = self.grid_out(grid)
        return (small.width < grid.width) + (small.height < grid.height)

    def compared_pairs(self, grid: Grid) -> int:
        """Return how many pairs the match of the rows and that of the columns compare."""
        small = self.grid_out(grid)
        rows = grid.height * _pairs(grid.width) if small.width < grid.width else 0
        columns = small.width * _pairs(grid.height) if small.height < grid.height else 0
        return rows + columns

    def compared_channels(self, channels: int) -> int:
        """Return how long the compared vectors are: a code says who is a neighbour."""
        return channels + _CODE_CHANNELS

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:
        """Match the tokens x (B, N, C) along rows, and what these leave along columns."""
        # A board lists methods and counts tokens without torch.
        from segpp.export.reduction.matching.neighbor_match import line_pairs  # noqa: PLC0415

        return line_pairs(x, grid, self.grid_out(grid), is_largest=self.value == "max")


def _pairs(tokens: int) -> int:
    """Return how many pairs the match of one line compares; it has an even number of tokens."""
    line = BipartitePartition(Grid(1, tokens + tokens % 2), 1, 2)
    return line.compared_pairs(window=1)
