"""The scale of attention inside the weights of the queries.

``s * (W x + b) = (s W) x + s b`` with ``s = (C / heads) ** -0.5`` (Vaswani et al., 2017,
arXiv:1706.03762, equation 1). One multiplication of every query is saved.
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING

from segpp.export.models.segformer.rewrites import REWRITES, Rewrite

if TYPE_CHECKING:
    from segpp.export.models.segformer.model import SegFormer

__all__ = ["fold_attention_scale"]


def fold_attention_scale(model: "SegFormer") -> None:
    """Multiply the weights of every block's queries by the scale."""
    from segpp.export.models.segformer.rewrites._module_utils import attentions, linear

    for attention in attentions(model):
        # A gate's predictor was trained on what the weights gave.
        if attention.gate is not None:
            continue
        q, scale = attention.q, attention.scale
        attention.q = linear(q.weight * scale, q.bias * scale)
        attention.scale = 1.0


REWRITES.register("fold-attention-scale")(
    Rewrite(fold_attention_scale, "attention's scale inside the weights of the queries")
)
