"""clap: the windows whose tokens are most alike become one token each.

Source: Norouzi et al., ALGM, 2024 (arXiv:2406.09936), section 3.2: conditional local average
pooling, in the first block. There an image merges every window above a threshold; here as many
merge in every image, the most similar ones, so that all shapes are static. With as many as the
threshold would have chosen the result is the same, its order included: first the windows from the
most similar one on, then all other tokens in raster order.

How alike the m tokens of a window are is the mean cosine of all their pairs. With tokens n_i of
length one it needs no pair: (|sum_i n_i|^2 - m) / (m (m - 1)).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from segpp.errors import InputError, ReductionError
from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.base import TokenAssignment
from segpp.export.reduction.counts import CountedReduction
from segpp.export.reduction.sites import Side
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

    from segpp.export.custom_ops.window_choice import WindowSettings
    from segpp.manifest import Architecture

__all__ = ["ConditionalLocalPooling"]

# Above which windows merge in models that were trained so on ADE20K, by channels and blocks: as
# above, section 4.
_THRESHOLDS = {(192, 12): 0.90, (384, 12): 0.88, (768, 12): 0.94, (1024, 24): 0.95}


@REDUCTIONS.register("clap")
@dataclass(frozen=True)
class ConditionalLocalPooling(CountedReduction):
    """The most similar windows of ``side`` x ``side`` tokens become their mean.

    Attributes:
        ratio: Share of all complete windows that merge, in (0, 1); at least one does.
        count: How many windows merge, in place of the share; 0 goes by the share.
        side: Tokens along a window.
    """

    name: ClassVar[str] = "clap"
    unusual: ClassVar[tuple[str, ...]] = ("count", "side")
    sides: ClassVar[tuple[Side, ...]] = ("tokens",)
    is_by_threshold: ClassVar[bool] = True

    # What the published thresholds of ViT-Ti, S and B choose on ADE20K.
    ratio: float = 0.2
    count: int = 0
    side: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise ReductionError(
                f"clap cannot merge a share of {self.ratio:g} of the windows",
                "ratio must lie between 0 and 1",
            )
        if self.count < 0:
            raise ReductionError(f"clap cannot merge {self.count} windows", "0 goes by the ratio")
        if self.side < 2:  # noqa: PLR2004 - a window of one token is the token
            raise ReductionError(
                f"clap cannot use windows of {self.side}x{self.side} tokens",
                "a window needs at least 2x2",
            )

    def check_fits(self, grid: Grid) -> None:
        """Raise ReductionError if the grid has no window, or fewer than are to merge."""
        windows = self._windows(grid)
        if not windows:
            raise ReductionError(
                f"clap with windows of {self.side}x{self.side} does not fit a grid of {grid} "
                "tokens",
                f"the grid needs at least {self.side}x{self.side} tokens",
                hint="it works on the patches of an image, not behind another merge"
                if grid.height == 1
                else "use a larger input",
            )
        if self.count > windows:
            raise ReductionError(
                f"clap cannot merge {self.count} windows of a grid of {grid} tokens",
                f"it has {windows} of {self.side}x{self.side}",
            )

    def num_merged(self, grid: Grid) -> int:
        """Return how many windows of ``grid`` merge."""
        return self.count or max(1, int(self._windows(grid) * self.ratio))

    def tokens_out(self, grid: Grid) -> int:
        """Return how many tokens of ``grid`` are left."""
        return grid.tokens - self.num_merged(grid) * (self.side**2 - 1)

    def compared_pairs(self, grid: Grid) -> int:
        """Return the pairs within all windows."""
        members: int = self.side**2
        return self._windows(grid) * members * (members - 1) // 2

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:
        """Rank the windows of the tokens x (B, N, C)."""
        # A board lists methods and counts tokens without torch.
        from segpp.export.custom_ops.window_choice import rank  # noqa: PLC0415
        from segpp.export.reduction.assignments.window_means import (  # noqa: PLC0415
            window_means,
        )
        from segpp.export.reduction.matching.window_similarity import (  # noqa: PLC0415
            window_similarity,
        )

        settings = self.settings(grid)
        return window_means(rank(window_similarity(x, settings), settings), settings)

    @property
    def leaving(self) -> int:
        """How many tokens leave with a window."""
        return self.side**2 - 1

    def wanted(self, x: "Tensor", grid: Grid, *, threshold: float | None, block: int) -> "Tensor":
        """Return how many windows of each image are at least so alike, (B,)."""
        from segpp.export.reduction.matching.window_similarity import (  # noqa: PLC0415
            window_similarity,
        )

        del block
        if threshold is None:
            raise RuntimeError("nothing says above which cosine windows merge")
        return (window_similarity(x, self.settings(grid)) >= threshold).sum(1)

    def published(self, architecture: "Architecture") -> float:
        """Return the published cosine above which windows merge.

        Raises:
            InputError: None is published of such a network.
        """
        shape = architecture.dims[0], len(architecture.dims)
        if shape not in _THRESHOLDS:
            raise InputError(
                f"no threshold is published of a network of {shape[1]} blocks of {shape[0]} "
                "channels",
                "counts are those of windows whose tokens are more alike than a threshold",
                hint="`threshold=0.9`",
            )
        return _THRESHOLDS[shape]

    def settings(self, grid: Grid) -> "WindowSettings":
        """Return which windows of ``grid`` can merge, and how many do."""
        from segpp.export.custom_ops.window_choice import WindowSettings  # noqa: PLC0415

        return WindowSettings(grid, self.side, self.num_merged(grid))

    def _windows(self, grid: Grid) -> int:
        return (grid.height // self.side) * (grid.width // self.side)
