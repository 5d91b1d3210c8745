"""Exact changes of the attentions of any network, for the rewrites of families to register.

Source: Vaswani et al., Attention Is All You Need, 2017 (arXiv:1706.03762), section 3.2.
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segpp.export.models.layers import MergingAttention
    from segpp.export.models.network import Network

__all__ = ["attentions", "fold_attention_scale", "fuse_kv_projection", "ort_multi_head_attention"]


def attentions(model: "Network") -> "Iterator[MergingAttention]":
    """Iterate over every attention of a network, those of its head included."""
    from segpp.export.models.layers import MergingAttention

    return (module for module in model.modules() if isinstance(module, MergingAttention))


def fold_attention_scale(model: "Network") -> None:
    """Multiply the weights of all queries by the scale: ``s * (W x + b) = (s W) x + s b``."""
    from segpp.export.models._common.linear import linear

    for attention in attentions(model):
        # A gate's predictor was trained on what the weights gave.
        if attention.gate is not None:
            continue
        q, scale = attention.q, attention.scale
        attention.q = linear(q.weight * scale, None if q.bias is None else q.bias * scale)
        attention.scale = 1.0


def fuse_kv_projection(model: "Network") -> None:
    """Join keys and values, (C, C) each, to (2 * C, C); the attention splits the product."""
    import torch

    from segpp.export.models._common.linear import linear

    for attention in list(attentions(model)):
        # A gate chooses other channels of keys than of values.
        if attention.gate is not None:
            continue
        k, v = attention.k, attention.v
        attention.kv = linear(torch.cat((k.weight, v.weight)), torch.cat((k.bias, v.bias)))
        del attention.k, attention.v


def ort_multi_head_attention(model: "Network") -> None:
    """Replace the products and the softmax of every attention by ONNX Runtime's operator."""
    from segpp.export.models._common.ort_attention import OrtMultiHeadAttention

    for attention in attentions(model):
        attention.core = OrtMultiHeadAttention(attention.core.heads)
