"""The folded head's last part as one operator, whose plugin never writes the fused map.

At 1024x2048 that map of 256 channels is 67 MB in FP16, and the operators one by one write and read
it about ten times.
"""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING

from segpp.export.models.segformer.rewrites import REWRITES, Rewrite
from segpp.export.targets import TENSORRT

if TYPE_CHECKING:
    from segpp.export.models.segformer.model import SegFormer

__all__ = ["decode_head_plugin"]


def decode_head_plugin(model: "SegFormer") -> None:
    """Replace a folded head; one that is not, or whose norm is its own layer, stays."""
    from segpp.export.models.segformer.rewrites._replacements.one_operator_head import (
        OneOperatorHead,
        is_one_operator,
    )

    if is_one_operator(model.head):
        model.head = OneOperatorHead(model.head)  # type: ignore[assignment]  # the same call


REWRITES.register("decode-head-plugin")(
    Rewrite(
        decode_head_plugin,
        "the head's resizing, sum and classifier as one operator",
        after=("fold-batch-norm", "fold-decode-head"),
        targets=(TENSORRT,),
    )
)
