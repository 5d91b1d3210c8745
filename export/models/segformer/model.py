"""SegFormer in plain torch, with the numerics of whichever codebase trained it.

Every size is static: grids are Python numbers, so a traced graph has no shape arithmetic. Token
reductions are hooked into the attention of a stage with ``SegFormer.reduce``.

Source: Xie et al., SegFormer, 2021 (arXiv:2105.15203); merging in the attention as in Kienzle et
al., SegFormer++, 2024 (arXiv:2405.14467).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.models.segformer.architecture import FFN_RATIO, REDUCE, STAGES, Numerics
from segpp.export.models.segformer.decode_head import Head
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.match_sharing import MatchEvery, Planner, blocks_per_match, planners
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture
from segpp.ops.grid import Grid

__all__ = [
    "Attend",
    "Attention",
    "Block",
    "LayerNorm",
    "MixFfn",
    "SegFormer",
    "SpatialReduction",
    "image_of",
    "tokens_of",
]


class LayerNorm(nn.LayerNorm):
    """LayerNorm whose statistics are in FP32 at least, whatever the activations' type."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the last axis."""
        # Squares of activations beyond 256 overflow half precision.
        wide = _widened(x)
        weight, bias = self.weight.to(wide.dtype), self.bias.to(wide.dtype)
        return F.layer_norm(wide, self.normalized_shape, weight, bias, self.eps).to(x.dtype)


class PatchEmbed(nn.Module):
    """Overlapping patches of an image or a feature map, as normalised tokens."""

    def __init__(self, channels: int, dim: int, *, first: bool, eps: float) -> None:
        super().__init__()
        kernel, stride = (7, 4) if first else (3, 2)
        self.conv = nn.Conv2d(channels, dim, kernel, stride, kernel // 2)
        self.norm = LayerNorm(dim, eps=eps)

    def forward(self, image: Tensor) -> tuple[Tensor, Grid]:
        """Return tokens (B, N, C) and their grid for an image (B, Cin, H, W)."""
        patches = self.conv(image)
        grid = Grid(patches.shape[2], patches.shape[3])
        return self.norm(tokens_of(patches)), grid


class SpatialReduction(nn.Conv2d):
    """The strided convolution that shortens the keys and values of a block."""

    def __init__(self, dim: int, side: int) -> None:
        super().__init__(dim, dim, side, side)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:  # type: ignore[override]  # tokens
        """Return the shorter tokens (B, M, C) of tokens (B, N, C), and their grid."""
        image = super().forward(image_of(x, grid))
        return tokens_of(image), Grid(image.shape[2], image.shape[3])


class Attend(nn.Module):
    """Softmax of queries times keys, times values; the queries come scaled.

    The plain MatMul-Softmax-MatMul is what TensorRT recognises.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from q (B, N, C) to k and v (B, M, C); return (B, N, C)."""
        q, k, v = self._split(q), self._split(k), self._split(v)
        # exp() of a half-precision score above 11 overflows.
        weights = _widened(q @ k.transpose(2, 3)).softmax(3).to(q.dtype)
        return (weights @ v).transpose(1, 2).flatten(2)

    def _split(self, x: Tensor) -> Tensor:
        # (B, N, C) -> (B, heads, N, C / heads)
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head attention whose keys and values are spatially reduced, and tokens merged."""

    def __init__(self, dim: int, heads: int, reduce: int, eps: float) -> None:
        super().__init__()
        self.scale = (dim // heads) ** -0.5
        self.q, self.k, self.v, self.out = (nn.Linear(dim, dim) for _ in range(4))
        if reduce > 1:
            self.reduce = SpatialReduction(dim, reduce)
            self.reduce_norm = LayerNorm(dim, eps=eps)
        # One layer in place of ``k`` and ``v``, where a rewrite joins them.
        self.kv: nn.Linear | None = None
        self.attend = Attend(heads)
        self.reduction_q: Planner | None = None
        self.reduction_kv: Planner | None = None

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Return the attention of tokens (B, N, C) over their own reduced grid."""
        source = self._merged_keys(x, grid)
        if self.reduction_q is None:
            return self._attended(x, source)
        plan = self.reduction_q.plan(x, grid)
        return plan.restore(self._attended(plan.merge(x), source))

    def _merged_keys(self, x: Tensor, grid: Grid) -> Tensor:
        if hasattr(self, "reduce"):
            x, grid = self.reduce(x, grid)
            x = self.reduce_norm(x)
        if self.reduction_kv is None:
            return x
        return self.reduction_kv.plan(x, grid).merge(x)

    def _attended(self, x: Tensor, source: Tensor) -> Tensor:
        q = self.q(x)
        if self.scale != 1:
            q = q * self.scale
        attended: Tensor = self.out(self.attend(q, *self._keys_and_values(source)))
        return attended

    def _keys_and_values(self, source: Tensor) -> tuple[Tensor, ...]:
        if self.kv is None:
            return self.k(source), self.v(source)
        joined: Tensor = self.kv(source)
        return joined.chunk(2, 2)


class MixFfn(nn.Module):
    """Linear, depthwise 3x3 convolution, GELU, linear."""

    def __init__(self, dim: int, gelu: str) -> None:
        super().__init__()
        hidden = dim * FFN_RATIO
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.activation: nn.Module = nn.GELU(gelu)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Transform tokens (B, N, C); only the convolution sees their neighbourhood."""
        hidden = tokens_of(self.dwconv(image_of(self.fc1(x), grid)))
        transformed: Tensor = self.fc2(self.activation(hidden))
        return transformed


class Block(nn.Module):
    """Attention and MixFFN, each behind a norm and around a residual."""

    def __init__(self, dim: int, heads: int, reduce: int, numerics: Numerics) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim, eps=numerics.block_norm_eps)
        self.attention = Attention(dim, heads, reduce, numerics.reduce_norm_eps)
        self.norm2 = LayerNorm(dim, eps=numerics.block_norm_eps)
        self.ffn = MixFfn(dim, numerics.gelu)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Transform tokens (B, N, C) on their grid."""
        x = x + self.attention(self.norm1(x), grid)
        x = x + self.ffn(self.norm2(x), grid)
        return x  # noqa: RET504 - the intermediate carries the type


class Stage(nn.Module):
    """Patch embedding, blocks and a norm: one resolution of the encoder."""

    def __init__(self, index: int, architecture: Architecture, numerics: Numerics) -> None:
        super().__init__()
        dim, heads = architecture.dims[index], architecture.heads[index]
        channels = architecture.dims[index - 1] if index else architecture.channels
        self.patch_embed = PatchEmbed(channels, dim, first=index == 0, eps=numerics.patch_norm_eps)
        depth = architecture.depths[index]
        self.blocks = nn.ModuleList(
            Block(dim, heads, REDUCE[index], numerics) for _ in range(depth)
        )
        self.norm = LayerNorm(dim, eps=numerics.stage_norm_eps)

    def forward(self, image: Tensor) -> Tensor:
        """Return the stage's feature map (B, C, h, w)."""
        x, grid = self.patch_embed(image)
        for block in self.blocks:
            x = block(x, grid)
        # As a map: ONNX Runtime fuses a sum and a norm of three axes, and is slower then.
        normed: Tensor = self.norm(map_of(x, grid))
        return normed.permute(0, 3, 1, 2)


class SegFormer(nn.Module):
    """The whole network: an image (B, channels, H, W) to logits (B, K, H/4, W/4)."""

    def __init__(self, architecture: Architecture, numerics: Numerics) -> None:
        super().__init__()
        self.architecture = architecture
        self.numerics = numerics
        self.stages = nn.ModuleList(Stage(index, architecture, numerics) for index in range(STAGES))
        self.head = Head(architecture, numerics)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits at a quarter of the image's size."""
        features: list[Tensor] = []
        x = image
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        logits: Tensor = self.head(features)
        return logits

    def reduce(
        self,
        reductions: Iterable[tuple[Site, TokenReduction | None]],
        *,
        match_every: MatchEvery = 1,
    ) -> "SegFormer":
        """Merge tokens at the given sites, in every block of their stage; returns ``self``.

        Args:
            match_every: What a block decides serves it and the next ``match_every - 1``, in all
                stages or by stage.
        """
        for site, reduction in reductions:
            stage = self.stages[site.stage - 1]
            blocks: nn.ModuleList = stage.blocks  # type: ignore[assignment]  # nn.Module hides it
            every = blocks_per_match(match_every, site.stage)
            for block, planner in zip(blocks, planners(reduction, len(blocks), every), strict=True):
                setattr(block.attention, f"reduction_{site.side}", planner)
        return self


def _widened(x: Tensor) -> Tensor:
    return x if x.dtype.itemsize >= torch.float32.itemsize else x.float()


# Transposed as four axes: ONNX Runtime then takes the transposition into its own blocked layout.
def tokens_of(image: Tensor) -> Tensor:
    """Return a feature map (B, C, h, w) as tokens (B, N, C) in raster order."""
    return image.permute(0, 2, 3, 1).flatten(1, 2)


def image_of(x: Tensor, grid: Grid) -> Tensor:
    """Return tokens (B, N, C) as a feature map (B, C, h, w)."""
    return map_of(x, grid).permute(0, 3, 1, 2)


def map_of(x: Tensor, grid: Grid) -> Tensor:
    """Return tokens (B, N, C) as (B, h, w, C)."""
    return x.reshape(x.shape[0], grid.height, grid.width, x.shape[2])
