"""Precision is a property of the file: the types of weights and activations, set before tracing.

FP16 keeps in FP32 what half precision would break: the statistics of LayerNorm, the softmax, and
the similarities that decide which tokens merge. Input and output stay FP32, so that the same
caller runs either file.
"""

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from segpp.export.models.segformer.model import LayerNorm, SegFormer
from segpp.utils.choices import check_choice

__all__ = ["PRECISIONS", "Deployed", "Precision", "deployed"]

Precision = Literal["fp32", "fp16"]

PRECISIONS: dict[str, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16}


class Deployed(nn.Module):
    """The network as the file has it: FP32 in, FP32 out, ``model``'s type between."""

    def __init__(self, model: SegFormer) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """Return FP32 logits (B, K, H/4, W/4) for an FP32 image (B, channels, H, W)."""
        logits: Tensor = self.model(image.to(self.model.head.classifier.weight.dtype))
        return logits.float()


def deployed(model: SegFormer, precision: str) -> Deployed:
    """Return ``model`` in ``precision``; FP32 shares its weights, FP16 copies them."""
    check_choice(precision, PRECISIONS, kind="precision")
    if precision == "fp32":
        return Deployed(model)
    half = copy.deepcopy(model).to(PRECISIONS[precision])
    for module in half.modules():
        if isinstance(module, LayerNorm):
            module.float()
    return Deployed(half)
