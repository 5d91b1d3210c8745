"""What every method promises by which neighbouring patches of an image share one token.

Source: Lu et al., Content-aware Token Sharing, 2023 (arXiv:2306.02095), section 3. A superpatch is
2x2 patches. Of a superpatch that shares, the image at half its size is one patch: its token is what
the patch embedding makes of that, with the mean of the four positions. The others keep four tokens.

As many superpatches share in every image, those with the highest scores; so all shapes are static.
Tokens are in the order of the release: patches that share none, then superpatches, each in raster
order. What a superpatch becomes is given back to its four patches at the end.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from segpp.errors import ReductionError
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.sites import Side
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

    from segpp.export.reduction.assignments.window_means import WindowMeans

__all__ = ["SUPERPATCH", "SharingReduction"]

# Patches along a superpatch.
SUPERPATCH = 2
# A share that is a quotient of whole numbers must give these back.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SharingReduction(TokenReduction):
    """The superpatches with the highest scores share a token each.

    Attributes:
        ratio: Share of all superpatches, in (0, 1); at least one shares.
        count: How many superpatches, in place of the share; 0 goes by the share.
    """

    sides: ClassVar[tuple[Side, ...]] = ("patches",)
    unusual: ClassVar[tuple[str, ...]] = ("count",)

    # A published model shares 103 of 256 on ADE20K.
    ratio: float = 0.4
    count: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise ReductionError(
                f"{self.name} cannot let a share of {self.ratio:g} of the superpatches share",
                "ratio must lie between 0 and 1",
            )
        if self.count < 0:
            raise ReductionError(
                f"{self.name} cannot let {self.count} superpatches share", "0 goes by the ratio"
            )

    def check_fits(self, grid: Grid) -> None:
        """Raise ReductionError if the grid has no superpatch, or fewer than are to share."""
        superpatches = self._superpatches(grid)
        if not superpatches:
            raise ReductionError(
                f"{self.name} does not fit a grid of {grid} tokens",
                f"a superpatch needs at least {SUPERPATCH}x{SUPERPATCH}",
                hint="use a larger input",
            )
        if self.count > superpatches:
            raise ReductionError(
                f"{self.name} cannot let {self.count} superpatches of a grid of {grid} share",
                f"it has {superpatches} of {SUPERPATCH}x{SUPERPATCH} patches",
            )

    def num_shared(self, grid: Grid) -> int:
        """Return how many superpatches of ``grid`` share a token."""
        return self.count or max(1, int(self._superpatches(grid) * self._share + _ROUNDING))

    def tokens_out(self, grid: Grid) -> int:
        """Return how many tokens there are of the patches of ``grid``."""
        return grid.tokens - self.num_shared(grid) * (SUPERPATCH**2 - 1)

    def compared_pairs(self, grid: Grid) -> int:
        """Return how many patches are held against their superpatch."""
        return self._superpatches(grid) * SUPERPATCH**2

    @property
    def serves_blocks(self) -> bool:
        """False: superpatches are chosen once, before the first block."""
        return False

    def scores(self, image: "Tensor", grid: Grid) -> "Tensor":
        """Return how well every superpatch can share, the best the highest, (B, W).

        Args:
            image: Normalised pixels (B, Cin, H, W) of whole patches.
            grid: Of these patches.
        """
        raise RuntimeError(f"the scores of {self.name} are not of {grid} patches of {image.ndim}D")

    def match(self, x: "Tensor", grid: Grid) -> "WindowMeans":
        """Decide by tokens x (B, N, C) as if each were a patch of one pixel."""
        image = x.transpose(1, 2).reshape(x.shape[0], x.shape[2], grid.height, grid.width)
        return self.assign(self.scores(image, grid), grid)

    def assign(self, scores: "Tensor", grid: Grid) -> "WindowMeans":
        """Return which patches of ``grid`` become which tokens, by scores (B, W)."""
        # A board lists methods and counts tokens without torch.
        from segpp.export.custom_ops.window_choice import WindowSettings, rank  # noqa: PLC0415
        from segpp.export.reduction.assignments.window_means import (  # noqa: PLC0415
            window_means,
        )

        settings = WindowSettings(grid, SUPERPATCH, self.num_shared(grid), are_last=True)
        return window_means(rank(scores, settings), settings)

    @property
    def _share(self) -> float:
        return self.ratio

    def _superpatches(self, grid: Grid) -> int:
        return (grid.height // SUPERPATCH) * (grid.width // SUPERPATCH)
