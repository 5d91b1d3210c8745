"""The scale of attention inside the weights of the queries."""

from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.models.segformer.rewrites._module_utils import attentions, linear

__all__ = ["scale_on_queries"]


def scale_on_queries(model: SegFormer) -> None:
    """Multiply the weights of every block's queries by the scale."""
    for attention in attentions(model):
        q, scale = attention.q, attention.scale
        attention.q = linear(q.weight * scale, q.bias * scale)
        attention.scale = 1.0


REWRITES.register("scale-on-queries")(
    Rewrite(scale_on_queries, "attention's scale inside the weights of the queries")
)
