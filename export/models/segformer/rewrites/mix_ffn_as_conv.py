"""MixFFN as three convolutions on a feature map, its linear layers being 1x1 convolutions.

The depthwise convolution needs the tokens as a feature map; with the linear layers on the map too,
what is transposed has the block's channels and not the four times as many between them.
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING

from segpp.export.models.segformer.rewrites import REWRITES, Rewrite

if TYPE_CHECKING:
    from segpp.export.models.segformer.model import SegFormer

__all__ = ["mix_ffn_as_conv"]


def mix_ffn_as_conv(model: "SegFormer") -> None:
    """Replace the MixFFN of every block.

    One that merges has no map for its linear layers, and one that gathers its weights has such a
    form already.
    """
    from segpp.export.models.segformer.model import MixFfn
    from segpp.export.models.segformer.rewrites._module_utils import blocks
    from segpp.export.models.segformer.rewrites._replacements.conv_mix_ffn import ConvMixFfn

    for block in blocks(model):
        if isinstance(block.ffn, MixFfn) and block.ffn.merging is None:
            block.ffn = ConvMixFfn(block.ffn)  # type: ignore[assignment]  # the same call


REWRITES.register("mix-ffn-as-conv")(
    Rewrite(mix_ffn_as_conv, "MixFFN as convolutions on the feature map")
)
