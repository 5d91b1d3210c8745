"""The folded decode head with everything behind its 1x1 convolutions as SegppDecodeHead."""

from typing import TypeGuard, cast

from torch import Tensor, nn

from segpp.export.custom_ops.torch_ops import decode_head
from segpp.export.models.segformer.rewrites._replacements.folded_head import FoldedHead

__all__ = ["OneOperatorHead", "is_one_operator"]


def is_one_operator(head: nn.Module) -> TypeGuard[FoldedHead]:
    """Return whether nothing but ReLU lies between a head's sum and its classifier."""
    return (
        isinstance(head, FoldedHead)
        and isinstance(head.norm, nn.Identity)
        and head.classifier.bias is not None
    )


class OneOperatorHead(nn.Module):
    """A folded head whose norm is part of its first level's convolution."""

    def __init__(self, head: FoldedHead) -> None:
        super().__init__()
        self.align_corners = head.align_corners
        self.levels = head.levels
        self.classifier = head.classifier

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return logits (B, K, h, w) from the four stages' feature maps, as large as the first."""
        # 1. What each level adds, at its own size: (B, D, h_i, w_i)
        levels = [level(feature) for level, feature in zip(self.levels, features, strict=True)]
        # 2. All at the size of the first, summed and classified: (B, K, h, w)
        bias = cast("Tensor", self.classifier.bias)
        weight = self.classifier.weight
        return decode_head(levels, weight, bias, align_corners=self.align_corners)
