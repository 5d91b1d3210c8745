"""Rotary positions: queries and keys of patches, turned by where the patches lie.

Source: Su et al., RoFormer, 2021 (arXiv:2104.09864), section 3.2; on a grid as of DINOv3 (Siméoni
et al., 2025, arXiv:2508.10104, section 3.2): pairs of channels turn by ``2 pi x / theta**(4 i /
c)``, half of them with the row's centre and half with the column's, both from -1 to 1 over the
image.

Merged tokens turn by the mean of their members' cosines and sines. A token that merges with none
keeps its own turn exactly. Members that are alike get the mean of what they were turned to, since
turning is linear: ``mean_i(R_i) x = mean_i(R_i x)``.
"""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from segpp.export.models.vit.network.blocks import behind
from segpp.export.reduction.assignments.weighted_means import mean_of
from segpp.export.reduction.base import TokenAssignment
from segpp.ops.grid import Grid

__all__ = ["Rotation", "turns_of"]


@dataclass(frozen=True)
class Rotation:
    """How each token of a sequence is turned.

    Attributes:
        cos: (B or 1, P + N, C / heads).
        sin: Likewise.
        prefix: P, the tokens before the patches, which are not turned.
    """

    cos: Tensor
    sin: Tensor
    prefix: int = 0

    @classmethod
    def of_patches(cls, turns: Tensor) -> "Rotation":
        """Return the rotation of patches alone, as ``turns_of`` gives it."""
        cos, sin = turns.flatten(1, 2).chunk(2)
        # Channels c and c + C / heads / 2 are one pair.
        return cls(torch.cat((cos, cos), 2), torch.cat((sin, sin), 2))

    def behind(self, count: int) -> "Rotation":
        """Return the rotation of a sequence of so many tokens more in front."""
        ones = torch.ones_like(self.cos[:, :1]).expand(-1, count, -1)
        cos, sin = torch.cat((ones, self.cos), 1), torch.cat((0 * ones, self.sin), 1)
        return Rotation(cos, sin, self.prefix + count) if count else self

    def merged(self, assignment: TokenAssignment, batch: int) -> "Rotation":
        """Return the rotation of a sequence whose patches are merged."""
        both = torch.cat((self.cos, self.sin), 2).expand(batch, -1, -1)
        rows = behind(both[:, : self.prefix], mean_of(assignment, both[:, self.prefix :]))
        cos, sin = rows.chunk(2, 2)
        return Rotation(cos, sin, self.prefix)

    def turn(self, x: Tensor) -> Tensor:
        """Return queries or keys (B, P + N, C), each head of each token turned."""
        split = x.reshape(*x.shape[:2], -1, self.cos.shape[2])
        first, second = split.chunk(2, 3)
        across = torch.cat((-second, first), 3)
        turned = split * self.cos[:, :, None] + across * self.sin[:, :, None]
        return turned.flatten(2)


def turns_of(grid: Grid, channels: int, theta: float) -> Tensor:
    """Return cosines and sines (2, h, w, c / 2) of each patch, of heads of c channels."""
    rows, columns = (
        2 * (torch.arange(0.5, side, dtype=torch.float32) / side) - 1
        for side in (grid.height, grid.width)
    )
    speeds = 1 / theta ** torch.arange(0, 1, 4 / channels, dtype=torch.float32)
    centers = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), 2)
    # (h, w, 2, c / 4): rows first.
    angles = (2 * pi * centers[..., None] * speeds).flatten(2)
    return torch.stack((angles.cos(), angles.sin()))
