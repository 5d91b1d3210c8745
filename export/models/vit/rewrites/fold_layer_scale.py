"""LayerScale inside the weights of the layer before it.

``g * (W x + b) = (g W) x + g b`` with a factor per output channel (Touvron et al., CaiT, 2021,
arXiv:2103.17239, equation 9). Two multiplications of every token are saved in a block.
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING

from segpp.export.models.vit.rewrites import REWRITES, Rewrite

if TYPE_CHECKING:
    from torch import nn

    from segpp.export.models.vit.network import ViT
    from segpp.export.models.vit.network.blocks import LayerScale

__all__ = ["fold_layer_scale"]


def fold_layer_scale(model: "ViT") -> None:
    """Multiply the last weights of both parts of every block that is scaled."""
    from torch import nn

    from segpp.export.models.vit.network.blocks import LayerScale

    for block in model.blocks():
        if isinstance(block.scale1, LayerScale):
            block.attention.out = _scaled(block.attention.out, block.scale1)
            block.scale1 = nn.Identity()
        if isinstance(block.scale2, LayerScale):
            block.ffn.fc2 = _scaled(block.ffn.fc2, block.scale2)
            block.scale2 = nn.Identity()


def _scaled(layer: "nn.Linear", scale: "LayerScale") -> "nn.Linear":
    from segpp.export.models._common.linear import linear

    return linear(layer.weight * scale.gamma[:, None], layer.bias * scale.gamma)


REWRITES.register("fold-layer-scale")(
    Rewrite(fold_layer_scale, "LayerScale inside the weights of the layer before it")
)
