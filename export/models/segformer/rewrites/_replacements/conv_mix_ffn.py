"""The module that ``mix_ffn_as_conv`` puts in place of MixFFN."""

from torch import Tensor, nn

from segpp.export.models.layers import nchw_to_tokens, tokens_to_nchw
from segpp.export.models.segformer.model import MixFfn
from segpp.export.models.segformer.rewrites._module_utils import conv_1x1
from segpp.ops.grid import Grid

__all__ = ["ConvMixFfn"]


class ConvMixFfn(nn.Module):
    """1x1 convolution, depthwise 3x3 convolution, GELU, 1x1 convolution."""

    def __init__(self, ffn: MixFfn) -> None:
        super().__init__()
        self.fc1 = conv_1x1(ffn.fc1.weight, ffn.fc1.bias)
        self.dwconv = ffn.dwconv
        self.fc2 = conv_1x1(ffn.fc2.weight, ffn.fc2.bias)
        self.activation = ffn.activation

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Transform tokens (B, N, C)."""
        # (B, N, C) -> (B, C, h, w), and only there the fourfold channels: (B, 4 * C, h, w)
        hidden = self.activation(self.dwconv(self.fc1(tokens_to_nchw(x, grid))))
        return nchw_to_tokens(self.fc2(hidden))
