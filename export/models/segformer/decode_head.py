"""The decode head of SegFormer, in plain torch.

Source: Xie et al., SegFormer, 2021 (arXiv:2105.15203), section 3.2.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.models.segformer.architecture import STAGES, Numerics
from segpp.manifest import Architecture

__all__ = ["Fuse", "Head", "Projection", "aligned"]


class Projection(nn.Module):
    """One level of the head: 1x1 convolution, and mmsegmentation's BatchNorm and ReLU."""

    def __init__(self, dim: int, architecture: Architecture, eps: float) -> None:
        super().__init__()
        normed = architecture.head == "conv-bn"
        self.conv = nn.Conv2d(dim, architecture.decoder, 1, bias=not normed)
        self.norm = nn.BatchNorm2d(architecture.decoder, eps=eps) if normed else None

    def forward(self, x: Tensor) -> Tensor:
        """Project a feature map (B, C, h, w) to (B, D, h, w)."""
        x = self.conv(x)
        return x if self.norm is None else self.norm(x).relu()


class Fuse(nn.Module):
    """All levels to one: 1x1 convolution, BatchNorm, ReLU."""

    def __init__(self, decoder: int, eps: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(decoder * STAGES, decoder, 1, bias=False)
        self.norm = nn.BatchNorm2d(decoder, eps=eps)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Fuse four maps (B, D, h, w) of one size."""
        fused: Tensor = self.norm(self.conv(torch.cat(levels, 1))).relu()
        return fused

    def below(self, levels: list[Tensor], *, align_corners: bool) -> Tensor:
        """Fuse four maps (B, D, h_i, w_i), each convolved at its own size and resized after.

        1x1 convolutions and bilinear resizing commute: nothing but rounding differs.
        """
        weights = self.conv.weight.chunk(len(levels), 1)
        parts = [F.conv2d(level, weight) for level, weight in zip(levels, weights, strict=True)]
        first, *deeper = aligned(parts, align_corners=align_corners)
        fused: Tensor = self.norm(first + sum(deeper[1:], deeper[0])).relu()
        return fused


class Head(nn.Module):
    """The all-MLP decode head, in either of its two forms."""

    def __init__(self, architecture: Architecture, numerics: Numerics) -> None:
        super().__init__()
        eps = numerics.batch_norm_eps
        self.align_corners = numerics.head_align_corners
        self.fuses_below = False
        self.projections = nn.ModuleList(
            Projection(dim, architecture, eps) for dim in architecture.dims
        )
        self.fuse = Fuse(architecture.decoder, eps)
        self.classifier = nn.Conv2d(architecture.decoder, architecture.classes, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return logits (B, K, h, w) from the four stages' feature maps, as large as the first."""
        projected = [
            projection(feature)
            for projection, feature in zip(self.projections, features, strict=True)
        ]
        logits: Tensor = self.classifier(self._fused(projected))
        return logits

    def _fused(self, levels: list[Tensor]) -> Tensor:
        if self.fuses_below:
            return self.fuse.below(levels, align_corners=self.align_corners)
        # Deeper levels are coarser: all are resized to the first, a quarter of the image's size.
        return self.fuse(aligned(levels, align_corners=self.align_corners))  # type: ignore[no-any-return]


def aligned(levels: list[Tensor], *, align_corners: bool) -> list[Tensor]:
    """Return feature maps (B, D, h_i, w_i), each resized to the first."""
    size = levels[0].shape[2:]
    return [
        # On a smaller grid of the head another level can be of its size already.
        x
        if x.shape[2:] == size
        else F.interpolate(x, size, mode="bilinear", align_corners=align_corners)
        for x in levels
    ]
