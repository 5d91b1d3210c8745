"""Precision is a property of the file: the types of weights and activations, set before tracing.

FP16 keeps in FP32 what half precision would break: the statistics of LayerNorm, the softmax, and
the similarities that decide which tokens merge. Input and output stay FP32, so that the same
caller runs either file.
"""

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from segpp.export.config import PRECISIONS
from segpp.export.models.layers import LayerNorm
from segpp.export.models.network import Network
from segpp.utils.choices import check_choice

__all__ = ["Precision", "PrecisionWrapper", "cast_model"]

Precision = Literal["fp32", "fp16"]

_DTYPES = dict(zip(PRECISIONS, (torch.float32, torch.float16), strict=True))


class PrecisionWrapper(nn.Module):
    """The network as the file has it: FP32 in, FP32 out, ``dtype`` between."""

    def __init__(self, model: Network, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        """Return FP32 logits (B, K, h, w) for an FP32 image (B, channels, H, W)."""
        logits: Tensor = self.model(image.to(self.dtype))
        return logits.float()


def cast_model(model: Network, precision: str) -> PrecisionWrapper:
    """Return ``model`` in ``precision``; FP32 shares its weights, FP16 copies them.

    Raises:
        InputError: There is no such precision.
    """
    check_choice(precision, PRECISIONS, kind="precision")
    dtype = _DTYPES[precision]
    if dtype == torch.float32:
        return PrecisionWrapper(model, dtype)
    half = copy.deepcopy(model).to(dtype)
    for module in half.modules():
        if isinstance(module, LayerNorm):
            module.float()
    return PrecisionWrapper(half, dtype)
