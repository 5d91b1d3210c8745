"""Keys and values of a block from one matrix product of twice the width."""

import torch

from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.models.segformer.rewrites._module_utils import attentions, linear

__all__ = ["one_kv_product"]


def one_kv_product(model: SegFormer) -> None:
    """Join the two layers of every block."""
    for attention in attentions(model):
        k, v = attention.k, attention.v
        attention.kv = linear(torch.cat((k.weight, v.weight)), torch.cat((k.bias, v.bias)))
        del attention.k, attention.v


REWRITES.register("one-kv-product")(
    Rewrite(one_kv_product, "keys and values from one matrix product")
)
