"""The scale of attention inside the weights of the queries.

``s * (W x + b) = (s W) x + s b`` with ``s = (C / heads) ** -0.5`` (Vaswani et al., 2017,
arXiv:1706.03762, equation 1). One multiplication of every query is saved.
"""

from segpp.export.models._common.attention_rewrites import fold_attention_scale
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite

__all__ = ["fold_attention_scale"]

REWRITES.register("fold-attention-scale")(
    Rewrite(fold_attention_scale, "attention's scale inside the weights of the queries")
)
