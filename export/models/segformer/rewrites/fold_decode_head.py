"""The decode head without its concatenation; ``_replacements.folded_head`` says why it may."""
# ruff: noqa: PLC0415 - rewrites are listed and chosen without torch

from typing import TYPE_CHECKING, cast

from segpp.export.models.segformer.rewrites import REWRITES, Rewrite

if TYPE_CHECKING:
    from segpp.export.models.segformer.decode_head import Head
    from segpp.export.models.segformer.model import SegFormer

__all__ = ["fold_decode_head"]


def fold_decode_head(model: "SegFormer") -> None:
    """Replace the head."""
    from segpp.export.models.segformer.rewrites._replacements.folded_head import folded

    # The head's type is that of the trained network; what follows it needs only the same call.
    model.head = cast("Head", folded(model.head))


REWRITES.register("fold-decode-head")(
    Rewrite(
        fold_decode_head,
        "the head's 1x1 convolutions below its upsampling, and no concatenation",
        after=("fold-batch-norm",),
    )
)
