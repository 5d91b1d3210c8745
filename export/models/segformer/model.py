"""SegFormer in plain torch, with the numerics of whichever codebase trained it.

Source: Xie et al., SegFormer, 2021 (arXiv:2105.15203), section 3; merging in the attention as in
Kienzle et al., SegFormer++, 2024 (arXiv:2405.14467), elsewhere our own.
"""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from segpp.export.models.layers import (
    LayerNorm,
    MergingAttention,
    PatchEmbed,
    nchw_to_tokens,
    tokens_to_nchw,
    tokens_to_nhwc,
)
from segpp.export.models.network import Network
from segpp.export.models.segformer.architecture import (
    FFN_RATIO,
    SR_RATIOS,
    STAGES,
    Numerics,
    channels_of,
)
from segpp.export.models.segformer.decode_head import Head
from segpp.export.models.segformer.sites import SITES
from segpp.export.reduction.base import TokenAssignment, TokenReduction
from segpp.export.reduction.gates.config import ChannelGates
from segpp.export.reduction.gates.places import Place
from segpp.export.reduction.grid_reduction import GridReduction, runs_of
from segpp.export.reduction.match_sharing import TokenMatcher
from segpp.export.reduction.sites import HEAD, Site
from segpp.manifest import Architecture
from segpp.ops.grid import Grid

__all__ = ["Attention", "Block", "MixFfn", "SegFormer", "SpatialReduction", "Stage"]


class SpatialReduction(nn.Conv2d):
    """The strided convolution that shortens the keys and values of a block."""

    def __init__(self, dim: int, ratio: int) -> None:
        super().__init__(dim, dim, ratio, ratio)

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:  # type: ignore[override]  # tokens
        """Return the shorter tokens (B, M, C) of tokens (B, N, C), and their grid."""
        image = super().forward(tokens_to_nchw(x, grid))
        return nchw_to_tokens(image), Grid(image.shape[2], image.shape[3])


class Attention(MergingAttention):
    """Multi-head attention whose keys and values are spatially reduced before they merge."""

    def __init__(self, dim: int, heads: int, sr_ratio: int, eps: float) -> None:
        super().__init__(dim, heads)
        if sr_ratio > 1:
            self.spatial_reduction = SpatialReduction(dim, sr_ratio)
            self.reduce_norm = LayerNorm(dim, eps=eps)

    def context(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid]:
        """Return the spatially reduced tokens (B, M, C) of tokens (B, N, C), and their grid."""
        if not hasattr(self, "spatial_reduction"):
            return x, grid
        reduced, reduced_grid = self.spatial_reduction(x, grid)
        return self.reduce_norm(reduced), reduced_grid


class MixFfn(nn.Module):
    """Linear, depthwise 3x3 convolution, GELU, linear.

    Attributes:
        merging: What merges the tokens of the linear layers, if anything does.
    """

    def __init__(self, dim: int, gelu: str) -> None:
        super().__init__()
        hidden = dim * FFN_RATIO
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.activation: nn.Module = nn.GELU(gelu)
        self.merging: TokenMatcher | None = None

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Transform tokens (B, N, C); only the convolution sees their neighbourhood."""
        if self.merging is not None:
            return self._on_merged(x, grid, self.merging.match(x, grid))
        hidden = nchw_to_tokens(self.dwconv(tokens_to_nchw(self.fc1(x), grid)))
        transformed: Tensor = self.fc2(self.activation(hidden))
        return transformed

    def _on_merged(self, x: Tensor, grid: Grid, assignment: TokenAssignment) -> Tensor:
        """Do the same, the linear layers with a row for each slot."""
        # 1. (B, N, C) to (B, M, C), to (B, M, 4 * C), and one of these for every token.
        hidden = assignment.unmerge(self.fc1(assignment.merge(x)))
        # 2. The convolution has all tokens, and makes those of a slot differ: (B, N, 4 * C)
        hidden = self.activation(nchw_to_tokens(self.dwconv(tokens_to_nchw(hidden, grid))))
        # 3. Merged the same way, to (B, M, C), and back to every token.
        return assignment.unmerge(self.fc2(assignment.merge(hidden)))


class Block(nn.Module):
    """Attention and MixFFN, each behind a norm and around a residual."""

    def __init__(self, dim: int, heads: int, sr_ratio: int, numerics: Numerics) -> None:
        super().__init__()
        self.norm1 = LayerNorm(dim, eps=numerics.block_norm_eps)
        self.attention = Attention(dim, heads, sr_ratio, numerics.reduce_norm_eps)
        self.norm2 = LayerNorm(dim, eps=numerics.block_norm_eps)
        self.ffn = MixFfn(dim, numerics.gelu)

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """Transform tokens (B, N, C) on their grid."""
        x = x + self.attention(self.norm1(x), grid)
        x = x + self.ffn(self.norm2(x), grid)
        return x  # noqa: RET504 - the intermediate carries the type


class Stage(nn.Module):
    """Patch embedding, blocks and a norm: one resolution of the encoder.

    Attributes:
        grid_reduction: What makes the grid smaller for some of the blocks, if anything does.
    """

    def __init__(self, index: int, architecture: Architecture, numerics: Numerics) -> None:
        super().__init__()
        self.grid_reduction: GridReduction | None = None
        dim, heads = architecture.dims[index], architecture.heads[index]
        channels = architecture.dims[index - 1] if index else architecture.channels
        # Overlapping patches: 7x7 every 4 pixels of the image, 3x3 every 2 tokens of a stage.
        kernel, stride = (3, 2) if index else (7, 4)
        self.patch_embed = PatchEmbed(
            channels,
            dim,
            kernel=kernel,
            stride=stride,
            padding=kernel // 2,
            eps=numerics.patch_norm_eps,
        )
        depth = architecture.depths[index]
        self.blocks = nn.ModuleList(
            Block(dim, heads, SR_RATIOS[index], numerics) for _ in range(depth)
        )
        self.norm = LayerNorm(dim, eps=numerics.stage_norm_eps)

    def forward(self, image: Tensor) -> Tensor:
        """Return the stage's feature map (B, C, h, w)."""
        x, grid = self.patch_embed(image)
        first = 0
        for is_small, count in runs_of(self.grid_reduction, len(self.blocks)):
            run = self._run_small if is_small else self._run
            x = run(slice(first, first + count), x, grid)
            first += count
        # As a map: ONNX Runtime fuses a sum and a norm of three axes, and is slower then.
        normed: Tensor = self.norm(tokens_to_nhwc(x, grid))
        return normed.permute(0, 3, 1, 2)

    def _run(self, blocks: slice, x: Tensor, grid: Grid) -> Tensor:
        for block in self.blocks[blocks]:
            x = block(x, grid)
        return x

    def _run_small(self, blocks: slice, x: Tensor, grid: Grid) -> Tensor:
        """Run blocks on the smaller grid; every token gets what they changed there."""
        if self.grid_reduction is None:
            raise RuntimeError("nothing says which grid is the smaller")
        cells = self.grid_reduction.match(x, grid)
        pooled = cells.merge(x)
        changed = self._run(blocks, pooled, self.grid_reduction.grid_out(grid))
        return x + cells.unmerge(changed - pooled)


class SegFormer(Network):
    """The whole network: an image (B, channels, H, W) to logits (B, K, H/4, W/4).

    Attributes:
        head_grid: What makes the grid of the head, and so of the logits, smaller, if anything does.
    """

    sites = SITES

    def __init__(self, architecture: Architecture, numerics: Numerics) -> None:
        super().__init__(architecture)
        self.numerics = numerics
        self.stages = nn.ModuleList(Stage(index, architecture, numerics) for index in range(STAGES))
        self.head = Head(architecture, numerics)
        self.head_grid: GridReduction | None = None

    def attentions(self, stage: int) -> Sequence[Attention]:
        """Return the attention of every block of a stage, counted from 1."""
        blocks = cast("Stage", self.stages[stage - 1]).blocks
        return [cast("Block", block).attention for block in blocks]

    def ffns(self, stage: int) -> Sequence[MixFfn]:
        """Return the MixFFN of every block of a stage, counted from 1."""
        blocks = cast("Stage", self.stages[stage - 1]).blocks
        return [cast("Block", block).ffn for block in blocks]

    def set_reduction(self, site: Site, reduction: TokenReduction | None) -> None:
        """Run the blocks of a stage, or the head, on a smaller grid, or on their own.

        Raises:
            ReductionError: The reduction is for another site, or the stage has too few blocks.
        """
        if reduction is not None:
            reduction.check_side(site)
        smaller = cast("GridReduction | None", reduction)
        if site.stage == HEAD:
            self.head_grid = smaller
            return
        stage = cast("Stage", self.stages[site.stage - 1])
        runs_of(smaller, len(stage.blocks))
        stage.grid_reduction = smaller

    def emptied(self, gates: ChannelGates) -> frozenset[Place]:
        """Return the places where zeros tell all that fixed gates leave out."""
        from segpp.export.models.segformer.gates.zeros import emptied  # noqa: PLC0415 - a circle

        return emptied(self, gates, channels_of(self.architecture))

    def ease_learning(self) -> "SegFormer":
        """Let the head fuse its levels below their resizing; returns ``self``."""
        self.head.fuses_below = True
        return self

    def forward(self, image: Tensor) -> Tensor:
        """Return logits at a quarter of the image's size, or on the head's smaller grid."""
        features: list[Tensor] = []
        x = image
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        features[0] = self._on_head_grid(features[0])
        logits: Tensor = self.head(features)
        return logits

    def _on_head_grid(self, image: Tensor) -> Tensor:
        """Return the first stage's features (B, C, h, w) on the grid that the head works on."""
        if self.head_grid is None:
            return image
        grid, tokens = Grid(*image.shape[2:]), nchw_to_tokens(image)
        pooled = self.head_grid.match(tokens, grid).merge(tokens)
        return tokens_to_nchw(pooled, self.head_grid.grid_out(grid))
