"""GELU in the order of operations that engines know as GELU.

ONNX has the operator from opset 20 only. torch's exporter multiplies by one half before it
multiplies by x, and ONNX Runtime then runs five operators where it could run one.

Source: Hendrycks & Gimpel, Gaussian Error Linear Units, 2016 (arXiv:1606.08415), section 2.
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING

from segpp.export.models.segformer.rewrites import REWRITES, Rewrite

if TYPE_CHECKING:
    from segpp.export.models.segformer.model import SegFormer

__all__ = ["gelu_for_fusion"]


def gelu_for_fusion(model: "SegFormer") -> None:
    """Replace the exact GELU of every block; the one by ``tanh`` stays."""
    from segpp.export.models._common.fusable_gelu import FusableGelu
    from segpp.export.models.segformer.rewrites._module_utils import blocks

    for block in blocks(model):
        if getattr(block.ffn.activation, "approximate", None) == "none":
            block.ffn.activation = FusableGelu()


REWRITES.register("gelu-for-fusion")(
    Rewrite(gelu_for_fusion, "GELU in the order of operations that engines fuse")
)
