"""flat: superpatches whose pixels differ least in colour share a token; nothing is trained.

Own method, where a trained policy (``policy``) is not to be had. The score is the variance of a
superpatch's pixels about their mean, the mean over the channels of the normalised image, negated:
sky, walls and road are one class more often than what has edges in it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.sharing import SUPERPATCH, SharingReduction
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FlatSharing"]


@REDUCTIONS.register("flat")
@dataclass(frozen=True)
class FlatSharing(SharingReduction):
    """The superpatches of the smallest variance."""

    name: ClassVar[str] = "flat"

    def scores(self, image: "Tensor", grid: Grid) -> "Tensor":
        """Return the negated variance of every superpatch, (B, W), of pixels (B, Cin, H, W)."""
        # A board lists methods and counts tokens without torch.
        from segpp.export.reduction.matching.flatness import flatness  # noqa: PLC0415

        side = SUPERPATCH * image.shape[2] // grid.height
        return flatness(image, side)
