"""The block of a plain ViT: attention and a feed-forward part, each behind a norm.

Source: Dosovitskiy et al., 2021 (arXiv:2010.11929), equations 2 and 3; LayerScale of Touvron et
al., CaiT, 2021 (arXiv:2103.17239), equation 9; SwiGLU of Shazeer, 2020 (arXiv:2002.05202).
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.models.layers import LayerNorm, MergingAttention
from segpp.manifest import PlainViT
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from segpp.export.models.vit.network.rotation import Rotation

__all__ = ["Attention", "Block", "LayerScale", "Mlp", "SwiGlu", "behind", "feed_forward"]


class Attention(MergingAttention):
    """Attention in which the patches can merge, and the prefix before them never does.

    Args:
        prefix: How many tokens stand before the patches.
    """

    def __init__(self, dim: int, heads: int, prefix: int = 0) -> None:
        super().__init__(dim, heads)
        self.prefix = prefix

    def forward(
        self, x: Tensor, grid: Grid | None = None, rotation: "Rotation | None" = None
    ) -> Tensor:
        """Return the attention (B, P + N, C) of tokens whose N patches lie on ``grid``.

        Args:
            x: The tokens (B, P + N, C).
            grid: Of the patches; without one none merge.
            rotation: How queries and keys are turned, where positions are rotary.
        """
        if grid is None or (self.q_merging is None and self.kv_merging is None):
            return self._turned(x, x, rotation, rotation)
        before, patches = x[:, : self.prefix], x[:, self.prefix :]
        # 1. What keys and values are made of, merged for good: (B, P + M, C)
        context, keys = x, rotation
        if self.kv_merging is not None:
            assignment = self.kv_merging.match(patches, grid)
            context = behind(before, assignment.merge(patches))
            keys = None if rotation is None else rotation.merged(assignment, x.shape[0])
        # 2. Patches that ask, merged, and each given what its group got: (B, P + N, C)
        if self.q_merging is None:
            return self._turned(x, context, rotation, keys)
        assignment = self.q_merging.match(patches, grid)
        asked = None if rotation is None else rotation.merged(assignment, x.shape[0])
        attended = self._turned(behind(before, assignment.merge(patches)), context, asked, keys)
        rest = assignment.unmerge(attended[:, self.prefix :])
        return behind(attended[:, : self.prefix], rest)

    def _turned(
        self, x: Tensor, context: Tensor, asked: "Rotation | None", keys: "Rotation | None"
    ) -> Tensor:
        """Attend from x to its context, queries and keys turned where positions are rotary."""
        if asked is None or keys is None:
            return self._attend(x, context)
        q = asked.turn(self.q(x))
        k, v = self._keys_and_values(context)
        # The scale may be in the weights already.
        q = q * self.scale if self.scale != 1 else q
        attended: Tensor = self.out(self.core(q, keys.turn(k), v))
        return attended


def behind(prefix: Tensor, patches: Tensor) -> Tensor:
    """Return the prefix (B, P, C), which may be of no tokens, and the patches as one sequence."""
    return torch.cat((prefix, patches), 1) if prefix.shape[1] else patches


class LayerScale(nn.Module):
    """A factor for each channel of what a block adds."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Scale tokens (B, N, C)."""
        return x * self.gamma


class Mlp(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.activation: nn.Module = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens (B, N, C), each alone."""
        transformed: Tensor = self.fc2(self.activation(self.fc1(x)))
        return transformed


class SwiGlu(nn.Module):
    """Two linear layers as one, the SiLU of the first half times the second, linear."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, 2 * hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Transform tokens (B, N, C), each alone."""
        gate, value = self.fc1(x).chunk(2, 2)
        transformed: Tensor = self.fc2(F.silu(gate) * value)
        return transformed


def feed_forward(dim: int, shape: PlainViT) -> Mlp | SwiGlu:
    """Return the feed-forward part that a network has."""
    return (SwiGlu if shape.ffn == "swiglu" else Mlp)(dim, shape.hidden)


class Block(nn.Module):
    """Attention and feed-forward part, each behind a norm and around a residual.

    Args:
        dim: Channels.
        heads: Of the attention.
        shape: The rest of the network's shape.
        eps: Of the norms.
        scaled: Whether there is a LayerScale behind either part.
    """

    def __init__(
        self, dim: int, heads: int, shape: PlainViT, eps: float, *, scaled: bool = False
    ) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim, eps=eps)
        self.attention = Attention(dim, heads, shape.prefix)
        self.scale1: nn.Module = LayerScale(dim) if scaled else nn.Identity()
        self.norm2 = LayerNorm(dim, eps=eps)
        self.ffn = feed_forward(dim, shape)
        self.scale2: nn.Module = LayerScale(dim) if scaled else nn.Identity()

    def attend(
        self, x: Tensor, grid: Grid | None = None, rotation: "Rotation | None" = None
    ) -> Tensor:
        """Return tokens (B, P + N, C) behind the attention; without a grid no patches merge."""
        attended: Tensor = x + self.scale1(self.attention(self.norm1(x), grid, rotation))
        return attended

    def transform(self, x: Tensor) -> Tensor:
        """Return tokens (B, N, C) behind the feed-forward part, which sees each alone."""
        transformed: Tensor = x + self.scale2(self.ffn(self.norm2(x)))
        return transformed

    def forward(
        self, x: Tensor, grid: Grid | None = None, rotation: "Rotation | None" = None
    ) -> Tensor:
        """Transform tokens (B, P + N, C), the patches on ``grid``; without one none merge."""
        return self.transform(self.attend(x, grid, rotation))
