"""The spatial reduction of keys and values as one matrix product.

Its convolution has the stride of its kernel: windows do not overlap, and are the tokens of a cell
one after the other. So no transposition to channels first and back is needed.
"""

from torch import Tensor, nn

from segpp.export.models.segformer.model import SegFormer, SpatialReduction
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.models.segformer.rewrites._module_utils import attentions, linear
from segpp.ops.grid import Grid

__all__ = ["ReductionProduct", "reduction_as_product"]


class ReductionProduct(nn.Module):
    """A linear layer over the tokens of a cell; what does not fill a cell is left out."""

    def __init__(self, reduce: SpatialReduction) -> None:
        super().__init__()
        self.side = reduce.kernel_size[0]
        # (out, in, y, x) -> (out, y, x, in): a token's channels lie together.
        self.product = linear(reduce.weight.permute(0, 2, 3, 1).flatten(1), reduce.bias)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """Return the shorter tokens (B, M, C) of tokens (B, N, C), and their grid."""
        batch, _, channels = x.shape
        side = self.side
        cells = Grid(grid.height // side, grid.width // side)
        image = x.reshape(batch, grid.height, grid.width, channels)
        whole = image[:, : cells.height * side, : cells.width * side]
        rows = whole.reshape(batch, cells.height, side, cells.width, side * channels)
        windows = rows.transpose(2, 3).reshape(batch, cells.tokens, side * side * channels)
        shorter: Tensor = self.product(windows)
        return shorter, cells


def reduction_as_product(model: SegFormer) -> None:
    """Replace the spatial reduction of every block that has one."""
    for attention in attentions(model):
        if hasattr(attention, "reduce"):
            attention.reduce = ReductionProduct(attention.reduce)  # type: ignore[assignment]  # the same call


REWRITES.register("reduction-as-product")(
    Rewrite(reduction_as_product, "the strided convolution of keys and values as a matrix product")
)
