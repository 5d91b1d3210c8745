"""GELU in the order of operations that engines know as GELU.

ONNX has the operator from opset 20 only. torch's exporter multiplies by one half before it
multiplies by x, and ONNX Runtime then runs five operators where it could run one.
"""

from math import sqrt

import torch
from torch import Tensor, nn

from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.models.segformer.rewrites._module_utils import blocks

__all__ = ["KnownGelu", "known_gelu"]


class KnownGelu(nn.Module):
    """The exact GELU, the half last."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x * (1 + erf(x / sqrt(2))) * 0.5``."""
        return x * (torch.erf(x / sqrt(2)) + 1.0) * 0.5


def known_gelu(model: SegFormer) -> None:
    """Replace the exact GELU of every block; the one by ``tanh`` stays."""
    for block in blocks(model):
        if getattr(block.ffn.activation, "approximate", None) == "none":
            block.ffn.activation = KnownGelu()


REWRITES.register("known-gelu")(
    Rewrite(known_gelu, "GELU in the order of operations that engines fuse")
)
