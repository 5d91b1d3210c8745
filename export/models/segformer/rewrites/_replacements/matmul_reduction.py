"""The module that ``spatial_reduction_as_matmul`` puts in place of the convolution."""

from torch import Tensor, nn

from segpp.export.models.layers import tokens_to_nhwc
from segpp.export.models.segformer.model import SpatialReduction
from segpp.export.models.segformer.rewrites._module_utils import linear
from segpp.ops.grid import Grid

__all__ = ["SpatialReductionAsMatmul"]


class SpatialReductionAsMatmul(nn.Module):
    """A linear layer over the tokens of a cell; what does not fill a cell is left out."""

    def __init__(self, conv: SpatialReduction) -> None:
        super().__init__()
        self.side = conv.kernel_size[0]
        # (out, in, y, x) -> (out, y, x, in): a token's channels lie together.
        self.product = linear(conv.weight.permute(0, 2, 3, 1).flatten(1), conv.bias)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """Return the shorter tokens (B, M, C) of tokens (B, N, C), and their grid."""
        batch, _, channels = x.shape
        side = self.side
        cells = Grid(grid.height // side, grid.width // side)
        # 1. Drop what does not fill a cell, as the convolution does: (B, h * side, w * side, C)
        image = tokens_to_nhwc(x, grid)
        full = image[:, : cells.height * side, : cells.width * side]
        # 2. The tokens of a cell one after the other: (B, h, side, w, side * C), and from that
        #    windows of (B, h * w, side * side * C)
        rows = full.reshape(batch, cells.height, side, cells.width, side * channels)
        windows = rows.transpose(2, 3).reshape(batch, cells.tokens, side * side * channels)
        # 3. One product: (B, h * w, C)
        shorter: Tensor = self.product(windows)
        return shorter, cells
