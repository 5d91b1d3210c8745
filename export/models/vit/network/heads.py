"""The decode heads of plain ViTs: from the tokens of patches to logits.

Sources: Strudel et al., Segmenter, 2021 (arXiv:2105.05633), section 3.2; Zheng et al., SETR, 2021
(arXiv:2012.15840), section 3.3; Oquab et al., DINOv2, 2023 (arXiv:2304.07193), section 7.4.
"""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.models.layers import LayerNorm, tokens_to_nchw
from segpp.export.models.vit.architecture import Numerics, shape_of
from segpp.export.models.vit.macs import SETR_UPSAMPLING
from segpp.export.models.vit.network.blocks import Block
from segpp.manifest import Architecture
from segpp.ops.grid import Grid

__all__ = [
    "BatchNormLinear",
    "ConvUp",
    "Linear",
    "MaskTransformer",
    "SegmentationHead",
    "SetrNaive",
    "SetrProgressive",
]


class SegmentationHead(nn.Module):
    """From patches (B, N, C), normed, to a map of logits.

    Attributes:
        needs_grid: Whether it looks at neighbours; otherwise ``tokens`` works on any sequence.
    """

    needs_grid: ClassVar[bool] = False

    def tokens(self, x: Tensor) -> Tensor:
        """Return the logits (B, N, K) of tokens (B, N, C)."""
        raise NotImplementedError(f"{type(self).__name__} has no logits of single tokens: {x.ndim}")

    def forward(self, x: Tensor, grid: Grid, queries: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the logits (B, K, h, w).

        Args:
            x: Of the patches, (B, N, C).
            grid: Of these.
            queries: What queries became, (B, Q, C), of networks that have them.
        """
        return tokens_to_nchw(self.tokens(x), grid)


class Linear(SegmentationHead):
    """One layer on each token."""

    def __init__(self, architecture: Architecture, numerics: Numerics) -> None:  # noqa: ARG002
        super().__init__()
        self.classifier = nn.Linear(architecture.dims[-1], architecture.classes)

    def tokens(self, x: Tensor) -> Tensor:
        """Return the logits of tokens."""
        logits: Tensor = self.classifier(x)
        return logits


class BatchNormLinear(Linear):
    """BatchNorm, and one layer on each token."""

    def __init__(self, architecture: Architecture, numerics: Numerics) -> None:
        super().__init__(architecture, numerics)
        self.norm: nn.Module = nn.BatchNorm1d(architecture.dims[-1], eps=numerics.batch_norm_eps)

    def tokens(self, x: Tensor) -> Tensor:
        """Return the logits of tokens."""
        return super().tokens(self.norm(x.transpose(1, 2)).transpose(1, 2))


class MaskTransformer(SegmentationHead):
    """Classes as tokens behind the patches; a mask is how alike its class and a patch are."""

    def __init__(self, architecture: Architecture, numerics: Numerics) -> None:
        super().__init__()
        shape, eps = shape_of(architecture), numerics.head_norm_eps
        width, dim = architecture.decoder, architecture.dims[-1]
        self.projection = nn.Linear(dim, width)
        self.classes = nn.Parameter(torch.zeros(1, architecture.classes, width))
        heads = max(1, architecture.heads[-1] * width // dim)
        hidden = shape.hidden * width // dim
        inner = replace(shape, prefix=0, hidden=hidden, ffn="gelu")
        self.blocks = nn.ModuleList(
            Block(width, heads, inner, eps) for _ in range(shape.head_blocks)
        )
        self.norm = LayerNorm(width, eps=eps)
        self.patch_projection = nn.Linear(width, width, bias=False)
        self.class_projection = nn.Linear(width, width, bias=False)
        self.mask_norm = LayerNorm(architecture.classes, eps=eps)

    def tokens(self, x: Tensor) -> Tensor:
        """Return the logits of tokens."""
        # 1. Classes behind the patches: (B, N + K, D)
        count = x.shape[1]
        x = torch.cat((self.projection(x), self.classes.expand(x.shape[0], -1, -1)), 1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        # 2. Cosines of patches and classes, (B, N, K), normed over the classes.
        patches = _unit(self.patch_projection(x[:, :count]))
        classes = _unit(self.class_projection(x[:, count:]))
        masks: Tensor = self.mask_norm(patches @ classes.transpose(1, 2))
        return masks


def _unit(x: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(x, dim=2, keepdim=True)
    return x / length


class SetrNaive(SegmentationHead):
    """Norm, 1x1 convolution with BatchNorm and ReLU, an upsampling to the fourfold, classifier."""

    needs_grid: ClassVar[bool] = True

    def __init__(self, architecture: Architecture, numerics: Numerics) -> None:
        super().__init__()
        self.align_corners = numerics.align_corners
        width = architecture.decoder
        self.norm = LayerNorm(architecture.dims[-1], eps=numerics.head_norm_eps)
        self.conv = nn.Conv2d(architecture.dims[-1], width, 1, bias=False)
        self.batch_norm: nn.Module = nn.BatchNorm2d(width, eps=numerics.batch_norm_eps)
        self.classifier = nn.Conv2d(width, architecture.classes, 1)

    def forward(self, x: Tensor, grid: Grid, queries: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the logits (B, K, 4 h, 4 w) of the patches x (B, N, C) of ``grid``."""
        image = tokens_to_nchw(self.norm(x), grid)
        hidden = self.batch_norm(self.conv(image)).relu()
        size = (grid.height * SETR_UPSAMPLING, grid.width * SETR_UPSAMPLING)
        hidden = F.interpolate(hidden, size, mode="bilinear", align_corners=self.align_corners)
        logits: Tensor = self.classifier(hidden)
        return logits


class ConvUp(nn.Module):
    """3x3 convolution with BatchNorm and ReLU, and an upsampling to the twofold."""

    def __init__(self, channels: int, width: int, numerics: Numerics) -> None:
        super().__init__()
        self.align_corners = numerics.align_corners
        self.conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.batch_norm: nn.Module = nn.BatchNorm2d(width, eps=numerics.batch_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map (B, D, 2 h, 2 w) of one (B, C, h, w)."""
        hidden = self.batch_norm(self.conv(x)).relu()
        size = tuple(2 * side for side in x.shape[2:])
        return F.interpolate(hidden, size, mode="bilinear", align_corners=self.align_corners)


class SetrProgressive(SegmentationHead):
    """Norm, convolutions with an upsampling behind each, classifier: SETR's PUP."""

    needs_grid: ClassVar[bool] = True

    def __init__(self, architecture: Architecture, numerics: Numerics) -> None:
        super().__init__()
        dim, width = architecture.dims[-1], architecture.decoder
        self.norm = LayerNorm(dim, eps=numerics.head_norm_eps)
        self.convs = nn.ModuleList(
            ConvUp(width if number else dim, width, numerics)
            for number in range(shape_of(architecture).upscalings)
        )
        self.classifier = nn.Conv2d(width, architecture.classes, 1)

    def forward(self, x: Tensor, grid: Grid, queries: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the logits (B, K, 2**n h, 2**n w) of the patches x (B, N, C) of ``grid``."""
        hidden = tokens_to_nchw(self.norm(x), grid)
        for conv in self.convs:
            hidden = conv(hidden)
        logits: Tensor = self.classifier(hidden)
        return logits
