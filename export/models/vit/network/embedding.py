"""From an image to tokens: patches, their positions, and the tokens before them.

Source: Dosovitskiy et al., 2021 (arXiv:2010.11929), section 3.1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.models.layers import nchw_to_tokens
from segpp.export.models.vit.architecture import Numerics, PositionResize, shape_of
from segpp.export.models.vit.input_size import check_patches
from segpp.manifest import Architecture
from segpp.ops.grid import Grid, Size

__all__ = ["Embedding", "resized_positions"]

# Against rounding, as DINOv2's code has it: a grid that was 36.99999 rows would be one of 36.
_OFFSET = 0.1


class Embedding(nn.Module):
    """Patches as tokens, each with its position added, behind the prefix.

    Positions are added to all; of the prefix they are in its weights already, since nothing else
    ever is added to these. Networks that turn queries and keys by their positions instead (RoPE)
    add none, and turn in their attention.

    Args:
        grid: Of the positions; another grid of patches gets resized ones, in the graph.
    """

    def __init__(self, architecture: Architecture, numerics: Numerics, grid: Grid) -> None:
        super().__init__()
        shape, dim = shape_of(architecture), architecture.dims[0]
        self.patch, self.position_resize = shape.patch, numerics.position_resize
        self.filling = numerics.filling
        self.conv = nn.Conv2d(architecture.channels, dim, shape.patch, shape.patch)
        learned = None if shape.rope_theta else torch.zeros(1, grid.height, grid.width, dim)
        self.positions = None if learned is None else nn.Parameter(learned)
        self.prefix = nn.Parameter(torch.zeros(1, shape.prefix, dim)) if shape.prefix else None

    def forward(self, image: Tensor) -> tuple[Tensor, Grid]:
        """Return tokens (B, P + N, C) and the grid of the N patches for images (B, Cin, H, W).

        Raises:
            InputError: Its code would drop pixels of that size.
        """
        patches = self.conv(self.padded(image))
        grid = Grid(patches.shape[2], patches.shape[3])
        x, positions = nchw_to_tokens(patches), self.positions_on(grid)
        return self.behind_prefix(x if positions is None else x + positions), grid

    def padded(self, image: Tensor) -> Tensor:
        """Return images (B, Cin, H, W) with zeros that fill the last patches.

        Raises:
            InputError: Its code would drop pixels of that size.
        """
        missing = [-side % self.patch for side in image.shape[2:]]
        if not any(missing):
            return image
        if self.filling == "refused":
            check_patches(Size(*image.shape[2:]), self.patch)
        return F.pad(image, self._sides(missing))

    def positions_on(self, grid: Grid) -> Tensor | None:
        """Return the positions (1, N, C) of patches on ``grid``, where there are any to add."""
        if self.positions is None:
            return None
        return resized_positions(self.positions, grid, self.position_resize).flatten(1, 2)

    def behind_prefix(self, x: Tensor) -> Tensor:
        """Return tokens (B, N, C) as (B, P + N, C)."""
        if self.prefix is None:
            return x
        return torch.cat((self.prefix.expand(x.shape[0], -1, -1), x), 1)

    def _sides(self, missing: Sequence[int]) -> list[int]:
        """Return the zeros on the left, on the right, at the top and at the bottom."""
        around = self.filling == "around"
        before = [count // 2 if around else 0 for count in missing]
        return [before[1], missing[1] - before[1], before[0], missing[0] - before[0]]


def resized_positions(positions: Tensor, grid: Grid, how: PositionResize) -> Tensor:
    """Return positions (1, h, w, C) of another grid."""
    if positions.shape[1:3] == (grid.height, grid.width):
        return positions
    image, size = positions.permute(0, 3, 1, 2), (grid.height, grid.width)
    if how == "bicubic-offset":
        # The step is that of a slightly larger grid, of which the last rows are left out.
        steps = [(side + _OFFSET) / old for side, old in zip(size, image.shape[2:], strict=True)]
        resized = F.interpolate(image, scale_factor=steps, mode="bicubic", align_corners=False)
        return resized.permute(0, 2, 3, 1)
    mode, _, antialias = how.partition("-")
    resized = F.interpolate(image, size, mode=mode, align_corners=False, antialias=bool(antialias))
    return resized.permute(0, 2, 3, 1)
