"""MixFFN whose hidden channels every image chooses."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.models.layers import tokens_to_nchw
from segpp.export.models.segformer.model import MixFfn
from segpp.export.reduction.gates.gate import Gate, chosen_rows
from segpp.ops.grid import Grid

__all__ = ["GatedMixFfn"]


class GatedMixFfn(nn.Module):
    """MixFFN with the rows of the first layer, kernels and columns of the second that are chosen.

    In training all channels are computed, and a mask makes zeros of the others: the same result,
    and a gradient for the gate.
    """

    def __init__(self, ffn: MixFfn, kept: int) -> None:
        super().__init__()
        self.fc1, self.dwconv, self.fc2 = ffn.fc1, ffn.dwconv, ffn.fc2
        self.activation = ffn.activation
        hidden, dim = self.fc1.weight.shape
        norms = self.fc2.weight.detach().norm(dim=0)
        self.gate = Gate((dim,), hidden, 1, kept, norms)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Transform tokens (B, N, C)."""
        logits = self.gate([x], [self.fc1])
        if self.training:
            return self._masked(x, grid, self.gate.mask(logits))
        return self._gathered(x, grid, self.gate.indices(logits))

    def _masked(self, x: Tensor, grid: Grid, mask: Tensor) -> Tensor:
        hidden = self.activation(self.dwconv(tokens_to_nchw(self.fc1(x), grid)))
        y: Tensor = self.fc2(hidden.flatten(2).transpose(1, 2) * mask)
        return y

    def _gathered(self, x: Tensor, grid: Grid, chosen: Tensor) -> Tensor:
        batch, kept = chosen.shape
        # 1. The chosen rows, channels first, so that nothing wide is transposed: (B, K, N)
        hidden = chosen_rows(self.fc1.weight, chosen) @ x.transpose(1, 2)
        hidden = hidden + chosen_rows(self.fc1.bias, chosen)[:, :, None]
        # 2. Their kernels, the images of a batch as channels of one: (1, B * K, h, w)
        image = hidden.reshape(1, batch * kept, grid.height, grid.width)
        kernels = chosen_rows(self.dwconv.weight, chosen)
        biases = chosen_rows(cast("Tensor", self.dwconv.bias), chosen)
        image = F.conv2d(image, kernels.flatten(0, 1), biases.flatten(), 1, 1, 1, batch * kept)
        # 3. Their columns, as rows of the transposed weight: (B, N, K) (B, K, C)
        hidden = self.activation(image).reshape(batch, kept, grid.tokens)
        y: Tensor = hidden.transpose(1, 2) @ chosen_rows(self.fc2.weight.mT, chosen) + self.fc2.bias
        return y
