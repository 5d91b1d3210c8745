"""A plain ViT for segmentation in torch, with the numerics of whichever codebase trained it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.models.layers import LayerNorm, tokens_to_nchw
from segpp.export.models.network import Network
from segpp.export.models.vit.architecture import Numerics, prefixes, shape_of
from segpp.export.models.vit.network.blocks import Attention, Block, behind
from segpp.export.models.vit.network.choose_head import build_head
from segpp.export.models.vit.network.embedding import Embedding
from segpp.export.models.vit.network.rotation import Rotation, turns_of
from segpp.export.models.vit.sites import grid_behind, sites_of
from segpp.export.reduction.assignments.weighted_means import (
    CountedAssignment,
    weighted_merge,
    weights_behind,
)
from segpp.export.reduction.base import TokenAssignment, TokenReduction
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture
from segpp.ops.grid import Grid

__all__ = ["Stage", "ViT"]


class Stage(nn.Module):
    """One block, which for merging, calibration and reports is a stage of its own.

    Attributes:
        merging: What merges tokens for all that follows, if anything does.
    """

    def __init__(self, block: Block, prefix: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([block])
        self.prefix = prefix
        self.merging: TokenReduction | None = None

    @property
    def block(self) -> Block:
        """The block."""
        return cast("Block", self.blocks[0])

    def forward(
        self,
        x: Tensor,
        grid: Grid,
        rotation: Rotation | None = None,
        weights: Tensor | None = None,
    ) -> tuple[Tensor, Grid, TokenAssignment | None]:
        """Transform tokens (B, P + N, C), the N patches on ``grid``, to (B, P + M, C).

        Args:
            x: Tokens.
            grid: Of those behind the prefix.
            weights: How many patches each of these stands for, (B, N, 1); None where it is one.

        Returns:
            The tokens, the grid of the M, and which of the N they are, where something merged.
        """
        x = self.block.attend(x, grid, rotation)
        if self.merging is None:
            return self.block.transform(x), grid, None
        patches = x[:, self.prefix :]
        assignment = self.merging.match(patches, grid)
        merged = (
            weighted_merge(assignment, patches, weights)
            if self.merging.is_weighted
            else assignment.merge(patches)
        )
        x = behind(x[:, : self.prefix], merged)
        return self.block.transform(x), grid_behind(self.merging, grid), assignment


class ViT(Network):
    """The whole network: an image (B, channels, H, W) to logits (B, K, h, w).

    Args:
        architecture: Its shape.
        numerics: What its trainer's code computes with.
        grid: Of the positions in its weights.
        scaled: Whether its blocks have a LayerScale.
        normed: Whether there is a norm behind the last block.
    """

    def __init__(
        self,
        architecture: Architecture,
        numerics: Numerics,
        grid: Grid,
        *,
        scaled: bool = False,
        normed: bool = True,
    ) -> None:
        super().__init__(architecture)
        self.sites = sites_of(len(architecture.dims))
        self.numerics = numerics
        shape, dim = shape_of(architecture), architecture.dims[-1]
        self.patch, self.prefix = shape.patch, prefixes(architecture)[-1]
        self.patch_embed = Embedding(architecture, numerics, grid)
        self.queries = nn.Parameter(torch.zeros(shape.queries, dim)) if shape.queries else None
        self.turns = self._empty_turns(grid)
        self.joining = len(architecture.dims) - shape.query_blocks
        self.stages = nn.ModuleList(
            Stage(
                Block(dim, heads, replace(shape, prefix=before), numerics.norm_eps, scaled=scaled),
                before,
            )
            for before, heads in zip(prefixes(architecture), architecture.heads, strict=True)
        )
        self.norm: nn.Module = LayerNorm(dim, eps=numerics.norm_eps) if normed else nn.Identity()
        self.head = build_head(architecture, numerics)

    def _empty_turns(self, grid: Grid) -> nn.Parameter | None:
        """Return the place of cosines and sines, of networks with rotary positions."""
        if not shape_of(self.architecture).rope_theta:
            return None
        channels = self.architecture.dims[0] // self.architecture.heads[0]
        return nn.Parameter(torch.zeros(2, grid.height, grid.width, channels // 2))

    def blocks(self) -> Sequence[Block]:
        """Return the blocks of the encoder in their order."""
        return [cast("Stage", stage).block for stage in self.stages]

    def attentions(self, stage: int) -> Sequence[Attention]:
        """Return the attention of the block that a stage is, counted from 1."""
        return [self.blocks()[stage - 1].attention]

    def set_reduction(self, site: Site, reduction: TokenReduction | None) -> None:
        """Let tokens merge behind the attention of a block for all that follows, or not.

        Raises:
            ReductionError: The reduction is for another site.
        """
        if reduction is not None:
            reduction.check_side(site)
        cast("Stage", self.stages[site.stage - 1]).merging = reduction

    def stage_outputs(
        self, given: Sequence[tuple[Tensor, Grid, TokenAssignment | None]]
    ) -> list[Tensor]:
        """Return the patches (B, N, C) behind every block, each with what its token has.

        Behind a merge for all that follows a block gives fewer, and none of them is the patch of
        the same number without a merge. Restored they can be compared, and no block is left out:
        nearest to the patches of a token is their mean, which is what a token ought to be. The
        tokens before the patches are in no mask, and in some networks so much larger than these
        that a comparison would be of little else.

        Args:
            given: Of the stages, the tokens (B, P + M, C) with what merged in each.
        """
        merged, outputs = list[TokenAssignment](), list[Tensor]()
        for stage, (x, _, assignment) in zip(self.stages, given, strict=True):
            merged += [] if assignment is None else [assignment]
            outputs.append(_restored(x[:, cast("Stage", stage).prefix :], merged))
        return outputs

    def forward(self, image: Tensor) -> Tensor:
        """Return logits on the grid of the patches, or finer where the head makes them so."""
        x, patches = self.patch_embed(image)
        grid, merged, weights = patches, list[TokenAssignment](), None
        weighing, rotation = self._last_weighing(), self._rotation(patches)
        for number, stage in enumerate(self.stages):
            if number == self.joining and self.queries is not None:
                x = torch.cat((self.queries.expand(x.shape[0], -1, -1), x), 1)
                rotation = rotation and rotation.behind(self.queries.shape[0])
            x, grid, assignment = stage(x, grid, rotation, weights)
            if assignment is not None:
                merged.append(assignment)
                rotation = rotation and rotation.merged(assignment, x.shape[0])
                if number < weighing:
                    weights = weights_behind(cast("CountedAssignment", assignment), weights)
        return self._without_padding(self._logits(x, patches, merged), image, patches)

    def _rotation(self, patches: Grid) -> Rotation | None:
        """Return how tokens are turned before queries join, where positions are rotary."""
        if self.turns is None:
            return None
        shape = shape_of(self.architecture)
        turns: Tensor = self.turns
        if turns.shape[1:3] != (patches.height, patches.width):
            channels = self.architecture.dims[0] // self.architecture.heads[0]
            turns = turns_of(patches, channels, shape.rope_theta).to(turns)
        return Rotation.of_patches(turns).behind(shape.prefix)

    def _logits(self, x: Tensor, patches: Grid, merged: Sequence[TokenAssignment]) -> Tensor:
        """Return the logits of the sequence behind the last block."""
        normed = self.norm(x[:, self.prefix :])
        if not self.head.needs_grid:
            # K numbers of a token are restored, and not C.
            return tokens_to_nchw(_restored(self.head.tokens(normed), merged), patches)
        queries = None if self.queries is None else self.norm(x[:, : self.queries.shape[0]])
        logits: Tensor = self.head(_restored(normed, merged), patches, queries)
        return logits

    def _last_weighing(self) -> int:
        """Return the last stage, counted from 0, whose means are weighted; -1 where none are."""
        mergings = [cast("Stage", stage).merging for stage in self.stages]
        weighing = (n for n, one in enumerate(mergings) if one is not None and one.is_weighted)
        return max(weighing, default=-1)

    def _without_padding(self, logits: Tensor, image: Tensor, grid: Grid) -> Tensor:
        """Cut from the logits what lies on the zeros beside the image.

        Nothing is to be cut where the image is a multiple of the patch. Elsewhere the logits are
        resized to the padded image first, since its edge lies within a patch.
        """
        height, width = image.shape[2:]
        padded = (grid.height * self.patch, grid.width * self.patch)
        if padded == (height, width) or not self.numerics.crops_padding:
            return logits
        if logits.shape[2:] != padded:
            corners = self.numerics.align_corners
            logits = F.interpolate(logits, padded, mode="bilinear", align_corners=corners)
        return logits[:, :, :height, :width]


def _restored(x: Tensor, merged: Sequence[TokenAssignment]) -> Tensor:
    """Return for each patch what the token has that it was merged into, the last merge first."""
    for assignment in reversed(merged):
        x = assignment.unmerge(x)
    return x
