"""The spatial reduction of keys and values as one matrix product.

Its convolution has the stride of its kernel: windows do not overlap, and are the tokens of a cell
one after the other. So no transposition to channels first and back is needed.
"""

from torch import Tensor, nn

from segpp.export.models.layers import tokens_to_nhwc
from segpp.export.models.segformer.model import SegFormer, SpatialReduction
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.models.segformer.rewrites._module_utils import attentions, linear
from segpp.ops.grid import Grid

__all__ = ["SpatialReductionAsMatmul", "spatial_reduction_as_matmul"]


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


def spatial_reduction_as_matmul(model: SegFormer) -> None:
    """Replace the spatial reduction of every block that has one."""
    for attention in attentions(model):
        if hasattr(attention, "spatial_reduction"):
            attention.spatial_reduction = SpatialReductionAsMatmul(attention.spatial_reduction)  # type: ignore[assignment]  # the same call


REWRITES.register("spatial-reduction-as-matmul")(
    Rewrite(
        spatial_reduction_as_matmul,
        "the strided convolution of keys and values as a matrix product",
    )
)
