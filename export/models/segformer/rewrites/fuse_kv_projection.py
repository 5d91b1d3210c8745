"""Keys and values of a block from one matrix product of twice the width.

Both are made of the same tokens, so their weights (C, C) can stand below one another, (2 * C, C).
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING

from segpp.export.models.segformer.rewrites import REWRITES, Rewrite

if TYPE_CHECKING:
    from segpp.export.models.segformer.model import SegFormer

__all__ = ["fuse_kv_projection"]


def fuse_kv_projection(model: "SegFormer") -> None:
    """Join the two layers of every block; the attention splits the product along channels."""
    import torch

    from segpp.export.models.segformer.rewrites._module_utils import attentions, linear

    for attention in attentions(model):
        # A gate chooses other channels of keys than of values.
        if attention.gate is not None:
            continue
        k, v = attention.k, attention.v
        attention.kv = linear(torch.cat((k.weight, v.weight)), torch.cat((k.bias, v.bias)))
        del attention.k, attention.v


REWRITES.register("fuse-kv-projection")(
    Rewrite(fuse_kv_projection, "keys and values from one matrix product")
)
