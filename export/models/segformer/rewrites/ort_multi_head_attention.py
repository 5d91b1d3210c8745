"""Attention as ONNX Runtime's own operator, which keeps the scores in the cache.

At stage 1 of a 1024x2048 image there are 131,072 x 2,048 of them: a gigabyte that the plain form
writes, reads and writes again.
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING

from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.targets import ONNXRUNTIME

if TYPE_CHECKING:
    from segpp.export.models.segformer.model import SegFormer

__all__ = ["ort_multi_head_attention"]


def ort_multi_head_attention(model: "SegFormer") -> None:
    """Replace the products and the softmax of every block."""
    from segpp.export.models.segformer.rewrites._module_utils import attentions
    from segpp.export.models.segformer.rewrites._replacements.ort_attention import (
        OrtMultiHeadAttention,
    )

    for attention in attentions(model):
        attention.core = OrtMultiHeadAttention(attention.core.heads)


REWRITES.register("ort-multi-head-attention")(
    Rewrite(
        ort_multi_head_attention,
        "attention as one operator of ONNX Runtime",
        targets=(ONNXRUNTIME,),
    )
)
