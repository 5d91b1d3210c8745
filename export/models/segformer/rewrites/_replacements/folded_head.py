"""The decode head without its concatenation: 1x1 convolutions below the upsampling.

A 1x1 convolution mixes channels and bilinear resizing mixes pixels, with weights that sum to one;
so the two commute, bias included. The fusing convolution of the concatenated levels is a sum of one
convolution per level, and each can run at its level's own size. Where nothing but a linear layer
lies between features and fusion, the two are one matrix.

With F the fusing weights (D, 4 * D) as blocks F_i (D, D) of the four levels, P_i and p_i weights
and bias of a level's projection, U bilinear resizing and f the fusing bias:

    F [U(P_1 x_1 + p_1); ...] + f  =  sum_i U((F_i P_i) x_i) + (f + sum_i F_i p_i)

Source of the head: Xie et al., SegFormer, 2021 (arXiv:2105.15203), section 3.2.
"""

from typing import cast

import torch
from torch import Tensor, nn

from segpp.export.models.segformer.decode_head import Head, Projection, aligned
from segpp.export.models.segformer.rewrites._module_utils import conv_1x1

__all__ = ["FoldedHead", "folded"]


class FoldedHead(nn.Module):
    """The head as one chain per level, summed at the size of the first.

    Args:
        levels: From a stage's features to what they add to the fused map.
        norm: What follows the sum, before the ReLU.
        align_corners: How the deeper levels are resized.
    """

    def __init__(
        self,
        levels: list[nn.Module],
        norm: nn.Module,
        classifier: nn.Conv2d,
        *,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.levels = nn.ModuleList(levels)
        self.norm = norm
        self.classifier = classifier

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return logits (B, K, h, w) from the four stages' feature maps, as large as the first."""
        # 1. What each level adds, at its own size: (B, D, h_i, w_i)
        levels = [level(feature) for level, feature in zip(self.levels, features, strict=True)]
        # 2. All at the size of the first, a quarter of the image's: (B, D, H/4, W/4)
        first, *deeper = aligned(levels, align_corners=self.align_corners)
        # 3. The convolution's own output last: an engine adds the rest in the convolution's pass.
        fused = self.norm(first + sum(deeper[1:], deeper[0])).relu()
        logits: Tensor = self.classifier(fused)
        return logits


def folded(head: Head) -> FoldedHead:
    """Return what computes the same as ``head``."""
    projections = [cast("Projection", module) for module in head.projections]
    weights = head.fuse.conv.weight[:, :, 0, 0].chunk(len(projections), 1)
    is_linear = all(projection.norm is None for projection in projections)
    make = _linear_levels if is_linear else _normed_levels
    levels = make(projections, weights, head.fuse.conv.bias)
    return FoldedHead(levels, head.fuse.norm, head.classifier, align_corners=head.align_corners)


def _linear_levels(
    projections: list[Projection], weights: tuple[Tensor, ...], bias: Tensor | None
) -> list[nn.Module]:
    # In double precision: the products are rounded once.
    kind = weights[0].dtype
    total = torch.zeros(weights[0].shape[0], dtype=torch.float64)
    total = total if bias is None else total + bias.double()
    products = []
    for projection, weight in zip(projections, weights, strict=True):
        own = projection.conv
        products.append(weight.double() @ own.weight[:, :, 0, 0].double())
        if own.bias is not None:
            total = total + weight.double() @ own.bias.double()
    # The first level is not resized; its convolution carries the bias of the whole sum.
    biases = [total.to(kind), None, None, None]
    return [conv_1x1(p.to(kind), b) for p, b in zip(products, biases, strict=True)]


def _normed_levels(
    projections: list[Projection], weights: tuple[Tensor, ...], bias: Tensor | None
) -> list[nn.Module]:
    biases = [bias, None, None, None]
    return [
        nn.Sequential(projection, conv_1x1(weight, own))
        for projection, weight, own in zip(projections, weights, biases, strict=True)
    ]
