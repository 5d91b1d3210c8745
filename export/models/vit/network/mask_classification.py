"""EoMT's head: a class and a mask of each query, and what they say together of each pixel.

Source: Kerssies et al., Your ViT is Secretly an Image Segmentation Model, 2025 (arXiv:2503.19108),
section 3, with transformers' ``EomtForUniversalSegmentation`` for what the paper leaves open; Cheng
et al., MaskFormer, 2021 (arXiv:2107.06278), section 3.4, for what the masks say together.
"""

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.models.layers import LayerNorm, tokens_to_nchw
from segpp.export.models.vit.architecture import Numerics, shape_of
from segpp.export.models.vit.network.heads import SegmentationHead
from segpp.manifest import Architecture
from segpp.ops.grid import Grid

__all__ = ["MaskClassification", "MaskMlp", "Upscaling"]


class Upscaling(nn.Module):
    """A map of twice the sides: transposed and depthwise convolution, GELU between, a norm."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(dim, dim, 2, 2)
        self.activation: nn.Module = nn.GELU()
        self.dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim, bias=False)
        self.norm = LayerNorm(dim, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map (B, C, 2 h, 2 w) of one (B, C, h, w)."""
        x = self.dwconv(self.activation(self.conv(x)))
        # The norm is over the channels of each pixel.
        normed: Tensor = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return normed


class MaskMlp(nn.Module):
    """Three linear layers with GELU between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = (nn.Linear(dim, dim) for _ in range(3))
        self.activation: nn.Module = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Transform queries (B, Q, C), each alone."""
        x = self.activation(self.fc1(x))
        transformed: Tensor = self.fc3(self.activation(self.fc2(x)))
        return transformed


class MaskClassification(SegmentationHead):
    """Every query's mask times its class, summed over the queries, at the size of the patches.

    The logit of a class is the sum of probabilities, ``sum_q softmax(c_q)[k] * sigmoid(m_q)``, and
    the order of the operations counts: transformers' ``post_process_semantic_segmentation`` resizes
    the masks' logits to the network's input *before* the sigmoid, and takes the argmax of the sums
    there. Sums on a smaller map, resized, have other argmaxes, since neither sigmoid nor product is
    linear. So this head gives its logits for every pixel, Q masks of full size within the graph,
    and whoever resizes them to the size of the export resizes nothing.
    """

    needs_grid: ClassVar[bool] = True

    def __init__(self, architecture: Architecture, numerics: Numerics) -> None:
        super().__init__()
        shape, dim = shape_of(architecture), architecture.dims[-1]
        self.patch = shape.patch
        self.upscaling = nn.ModuleList(
            Upscaling(dim, numerics.head_norm_eps) for _ in range(shape.upscalings)
        )
        self.mask = MaskMlp(dim)
        # The last class stands for none.
        self.classifier = nn.Linear(dim, architecture.classes + 1)

    def forward(self, x: Tensor, grid: Grid, queries: Tensor | None = None) -> Tensor:
        """Return the logits (B, K, H, W) of the patches x (B, N, C) of ``grid``, H its pixels."""
        if queries is None:
            raise RuntimeError("a head of mask classification has no masks without queries")
        # 1. Logits of the masks (B, Q, h, w), finer than the patches, resized to (B, Q, H, W).
        pixels = tokens_to_nchw(x, grid)
        for upscaling in self.upscaling:
            pixels = upscaling(pixels)
        masks = self.mask(queries) @ pixels.flatten(2)
        masks = masks.reshape(*masks.shape[:2], *pixels.shape[2:])
        size = (grid.height * self.patch, grid.width * self.patch)
        masks = F.interpolate(masks, size, mode="bilinear", align_corners=False).sigmoid()
        # 2. Probabilities of the classes (B, Q, K), none left out, and their sums (B, K, H, W).
        classes = self.classifier(queries).softmax(2)[:, :, :-1]
        sums: Tensor = classes.transpose(1, 2) @ masks.flatten(2)
        return sums.reshape(*sums.shape[:2], *size)
