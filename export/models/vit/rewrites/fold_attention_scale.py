"""The scale of attention inside the weights of the queries."""

from segpp.export.models._common.attention_rewrites import fold_attention_scale
from segpp.export.models.vit.rewrites import REWRITES, Rewrite

__all__ = ["fold_attention_scale"]

REWRITES.register("fold-attention-scale")(
    Rewrite(fold_attention_scale, "attention's scale inside the weights of the queries")
)
