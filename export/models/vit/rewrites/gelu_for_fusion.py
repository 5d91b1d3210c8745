"""GELU in the order of operations that engines know as GELU.

ONNX has the operator from opset 20 only; see SegFormer's rewrite of the same name.
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING

from segpp.export.models.vit.rewrites import REWRITES, Rewrite

if TYPE_CHECKING:
    from segpp.export.models.vit.network import ViT

__all__ = ["gelu_for_fusion"]


def gelu_for_fusion(model: "ViT") -> None:
    """Replace every GELU, those of the head included."""
    from torch import nn

    from segpp.export.models._common.fusable_gelu import FusableGelu

    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.GELU):
                setattr(module, name, FusableGelu())


REWRITES.register("gelu-for-fusion")(
    Rewrite(gelu_for_fusion, "GELU in the order of operations that engines fuse")
)
