"""The spatial reduction of keys and values as one matrix product.

Its convolution has the stride of its kernel: windows do not overlap, and are the tokens of a cell
one after the other. So no transposition to channels first and back is needed.
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING

from segpp.export.models.segformer.rewrites import REWRITES, Rewrite

if TYPE_CHECKING:
    from segpp.export.models.segformer.model import SegFormer

__all__ = ["spatial_reduction_as_matmul"]


def spatial_reduction_as_matmul(model: "SegFormer") -> None:
    """Replace the spatial reduction of every block that has one."""
    from segpp.export.models.segformer.rewrites._module_utils import attentions
    from segpp.export.models.segformer.rewrites._replacements.matmul_reduction import (
        SpatialReductionAsMatmul,
    )

    for attention in attentions(model):
        if hasattr(attention, "spatial_reduction"):
            attention.spatial_reduction = SpatialReductionAsMatmul(attention.spatial_reduction)  # type: ignore[assignment]  # the same call


REWRITES.register("spatial-reduction-as-matmul")(
    Rewrite(
        spatial_reduction_as_matmul,
        "the strided convolution of keys and values as a matrix product",
    )
)
