"""Layers that networks share: norms that survive half precision, and attention that can merge.

Every size is static: grids are Python numbers, so a traced graph has no shape arithmetic.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.reduction.match_sharing import TokenMatcher
from segpp.export.reduction.sites import Side
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from segpp.export.reduction.gates.projections import ProjectionGate

__all__ = [
    "AttentionCore",
    "LayerNorm",
    "MergingAttention",
    "PatchEmbed",
    "nchw_to_tokens",
    "tokens_to_nchw",
    "tokens_to_nhwc",
]


class LayerNorm(nn.LayerNorm):
    """LayerNorm whose statistics are in FP32 at least, whatever the activations' type."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the last axis."""
        # Squares of activations beyond 256 overflow half precision.
        wide = _at_least_fp32(x)
        weight, bias = self.weight.to(wide.dtype), self.bias.to(wide.dtype)
        return F.layer_norm(wide, self.normalized_shape, weight, bias, self.eps).to(x.dtype)


class PatchEmbed(nn.Module):
    """Patches of an image or a feature map, as normalised tokens.

    Args:
        channels: Of the image or the map.
        dim: Of a token.
        kernel: Side of a patch; larger than ``stride`` if patches overlap.
        stride: From one patch to the next.
        padding: Zeros at each edge.
        eps: Of the norm.
    """

    def __init__(
        self, channels: int, dim: int, *, kernel: int, stride: int, padding: int, eps: float
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, dim, kernel, stride, padding)
        self.norm = LayerNorm(dim, eps=eps)

    def forward(self, image: Tensor) -> tuple[Tensor, Grid]:
        """Return tokens (B, N, C) and their grid for an image (B, Cin, H, W)."""
        patches = self.conv(image)
        grid = Grid(patches.shape[2], patches.shape[3])
        return self.norm(nchw_to_tokens(patches)), grid


class AttentionCore(nn.Module):
    """Softmax of queries times keys, times values; the queries come scaled.

    The plain MatMul-Softmax-MatMul is what TensorRT recognises.

    Source: Vaswani et al., Attention Is All You Need, 2017 (arXiv:1706.03762), section 3.2.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from q (B, N, C) to k and v (B, M, C); return (B, N, C)."""
        q, k, v = self._split(q), self._split(k), self._split(v)
        # (B, heads, N, M); exp() of a half-precision score above 11 overflows.
        weights = _at_least_fp32(q @ k.transpose(2, 3)).softmax(3).to(q.dtype)
        return (weights @ v).transpose(1, 2).flatten(2)

    def _split(self, x: Tensor) -> Tensor:
        # (B, N, C) -> (B, heads, N, C / heads)
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class MergingAttention(nn.Module):
    """Multi-head attention whose tokens can be merged.

    Queries are merged on the way in and unmerged on the way out; the tokens that keys and values
    are made of are merged for good.

    Source: Kienzle et al., SegFormer++, 2024 (arXiv:2405.14467), figure 2.

    Attributes:
        kv: One layer in place of ``k`` and ``v``, where a rewrite joins them.
        q_merging: What merges queries, if anything does.
        kv_merging: What merges the tokens of keys and values, if anything does.
        gate: What attends with the channels that each image chooses, if anything does.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.scale = (dim // heads) ** -0.5
        self.q, self.k, self.v, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.kv: nn.Linear | None = None
        self.core = AttentionCore(heads)
        self.q_merging: TokenMatcher | None = None
        self.kv_merging: TokenMatcher | None = None
        self.gate: ProjectionGate | None = None

    def set_merging(self, side: Side, matcher: TokenMatcher | None) -> None:
        """Let ``matcher`` merge the tokens of one side, ``q`` or ``kv``, or nothing."""
        if side == "q":
            self.q_merging = matcher
        elif side == "kv":
            self.kv_merging = matcher
        else:
            raise ValueError(f"nothing merges in an attention at {side}")

    def context(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """Return what keys and values are made of, (B, M, C), for tokens (B, N, C), and its grid.

        A network that shortens it in another way than by merging overrides this.
        """
        return x, grid

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Return the attention (B, N, C) of tokens (B, N, C) on ``grid`` over their context."""
        # 1. What keys and values are made of, merged for good: (B, M, C)
        context, context_grid = self.context(x, grid)
        if self.kv_merging is not None:
            context = self.kv_merging.match(context, context_grid).merge(context)
        # 2. Queries merged, attended, and every token given what its group got: (B, N, C)
        if self.q_merging is None:
            return self._attend(x, context)
        assignment = self.q_merging.match(x, grid)
        return assignment.unmerge(self._attend(assignment.merge(x), context))

    def _attend(self, x: Tensor, context: Tensor) -> Tensor:
        if self.gate is not None:
            gated: Tensor = self.gate(self, x, context)
            return gated
        q = self.q(x)
        if self.scale != 1:
            q = q * self.scale
        attended: Tensor = self.out(self.core(q, *self._keys_and_values(context)))
        return attended

    def _keys_and_values(self, context: Tensor) -> tuple[Tensor, ...]:
        if self.kv is None:
            return self.k(context), self.v(context)
        joined: Tensor = self.kv(context)
        return joined.chunk(2, 2)


def _at_least_fp32(x: Tensor) -> Tensor:
    return x if x.dtype.itemsize >= torch.float32.itemsize else x.float()


# Transposed as four axes: ONNX Runtime then takes the transposition into its own blocked layout.
def nchw_to_tokens(image: Tensor) -> Tensor:
    """Return a feature map (B, C, h, w) as tokens (B, N, C) in raster order."""
    return image.permute(0, 2, 3, 1).flatten(1, 2)


def tokens_to_nchw(x: Tensor, grid: Grid) -> Tensor:
    """Return tokens (B, N, C) as a feature map (B, C, h, w)."""
    return tokens_to_nhwc(x, grid).permute(0, 3, 1, 2)


def tokens_to_nhwc(x: Tensor, grid: Grid) -> Tensor:
    """Return tokens (B, N, C) as (B, h, w, C)."""
    return x.reshape(x.shape[0], grid.height, grid.width, x.shape[2])
