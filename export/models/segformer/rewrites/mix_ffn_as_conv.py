"""MixFFN as three convolutions on a feature map, its linear layers being 1x1 convolutions.

The depthwise convolution needs the tokens as a feature map; with the linear layers on the map too,
what is transposed has the block's channels and not the four times as many between them.
"""

from torch import Tensor, nn

from segpp.export.models.segformer.model import MixFfn, SegFormer, image_of, tokens_of
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.models.segformer.rewrites._module_utils import blocks, conv_1x1
from segpp.ops.grid import Grid

__all__ = ["MixFfnInImages", "mix_ffn_in_images"]


class MixFfnInImages(nn.Module):
    """1x1 convolution, depthwise 3x3 convolution, GELU, 1x1 convolution."""

    def __init__(self, ffn: MixFfn) -> None:
        super().__init__()
        self.fc1 = conv_1x1(ffn.fc1.weight, ffn.fc1.bias)
        self.dwconv = ffn.dwconv
        self.fc2 = conv_1x1(ffn.fc2.weight, ffn.fc2.bias)
        self.activation = ffn.activation

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Transform tokens (B, N, C)."""
        hidden = self.activation(self.dwconv(self.fc1(image_of(x, grid))))
        return tokens_of(self.fc2(hidden))


def mix_ffn_in_images(model: SegFormer) -> None:
    """Replace the MixFFN of every block."""
    for block in blocks(model):
        block.ffn = MixFfnInImages(block.ffn)  # type: ignore[assignment]  # the same call


REWRITES.register("mix-ffn-in-images")(
    Rewrite(mix_ffn_in_images, "MixFFN as convolutions on the feature map")
)
