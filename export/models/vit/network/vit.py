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
from segpp.export.models.vit.network.passing import AuxiliaryHead, Evidence, pass_tokens
from segpp.export.models.vit.network.rotation import Rotation, turns_of
from segpp.export.models.vit.network.sharing import embed_shared
from segpp.export.models.vit.passes import check_pass
from segpp.export.models.vit.policy import check_policy
from segpp.export.models.vit.sites import PATCHES_SITE, grid_behind, patch_grid, sites_of
from segpp.export.reduction.assignments.passed_tokens import PassedTokens
from segpp.export.reduction.assignments.weighted_means import (
    CountedAssignment,
    weighted_merge,
    weights_behind,
)
from segpp.export.reduction.base import TokenAssignment, TokenReduction
from segpp.export.reduction.matching.policy_network import PolicyNetwork
from segpp.export.reduction.sharing import SharingReduction
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture
from segpp.ops.grid import Grid, Size

__all__ = ["Stage", "ViT"]

# Of a sum of probabilities, above what FP16 and BF16 take for zero: its logarithm is a number.
_SMALLEST = 1e-6


class Stage(nn.Module):
    """One block, which for merging, calibration and reports is a stage of its own.

    Attributes:
        merging: What merges tokens for all that follows, or lets them leave, if anything does.
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
        *,
        merged: tuple[CountedAssignment, ...] = (),
        evidence: Evidence | None = None,
    ) -> tuple[Tensor, Grid, tuple[CountedAssignment, ...]]:
        """Transform tokens (B, P + N, C), the N patches on ``grid``, to (B, P + M, C).

        Args:
            x: Tokens.
            grid: Of those behind the prefix.
            rotation: How queries and keys of these are turned, where positions are rotary.
            weights: How many patches each of these stands for, (B, N, 1); None where it is one.
            merged: What they were merged by before.
            evidence: By what tokens leave before the block, where any do.

        Returns:
            The tokens, the grid of the M, and what all of them were merged by.
        """
        if self.merging is not None and evidence is not None:
            x, passed = pass_tokens(self.merging, x, grid, self.prefix, evidence)
            grid = grid_behind(self.merging, grid)
            # What stays is turned by where it lies, in this block already.
            rotation = rotation and rotation.merged(passed, x.shape[0])
            return self.block(x, grid, rotation), grid, (*merged, passed)
        x = self.block.attend(x, grid, rotation)
        if self.merging is None:
            return self.block.transform(x), grid, merged
        patches = x[:, self.prefix :]
        assignment = cast("CountedAssignment", self.merging.match(patches, grid))
        means = (
            weighted_merge(assignment, patches, weights)
            if self.merging.is_weighted
            else assignment.merge(patches)
        )
        x = behind(x[:, : self.prefix], means)
        return self.block.transform(x), grid_behind(self.merging, grid), (*merged, assignment)


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
        # What the policy chooses has no gradient; before the first block no head tells anything.
        self.early = sum(block == 1 for block in shape_of(architecture).exits)
        self.fixed = ("policy.", *(f"exits.{number}." for number in range(self.early)))
        self.numerics = numerics
        shape, dim = shape_of(architecture), architecture.dims[-1]
        self.patch, self.prefix = shape.patch, prefixes(architecture)[-1]
        self.patch_embed = Embedding(architecture, numerics, grid)
        self.sharing: SharingReduction | None = None
        has_policy = shape.policy is not None
        self.policy = PolicyNetwork(architecture.channels) if has_policy else None
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
        self.exits = nn.ModuleList(AuxiliaryHead(architecture, numerics) for _ in shape.exits)
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
        """Let tokens merge behind the attention of a block, or before all of them, or not.

        Raises:
            ReductionError: The reduction is for another site or another network, or needs a policy
                to be in the checkpoint.
        """
        if reduction is not None:
            reduction.check_side(site)
        if site == PATCHES_SITE:
            check_policy(reduction, self.architecture)
            self.sharing = cast("SharingReduction | None", reduction)
            return
        if reduction is not None:
            check_pass(site, reduction, self.architecture)
        cast("Stage", self.stages[site.stage - 1]).merging = reduction

    def stage_outputs(
        self, given: Sequence[tuple[Tensor, Grid, Sequence[TokenAssignment]]]
    ) -> list[Tensor]:
        """Return the patches (B, N, C) behind every block, each with what its token has.

        Behind a merge for all that follows a block gives fewer, and none of them is the patch of
        the same number without a merge. Restored they can be compared, and no block is left out:
        nearest to the patches of a token is their mean, which is what a token ought to be. The
        tokens before the patches are in no mask, and in some networks so much larger than these
        that a comparison would be of little else.

        Args:
            given: Of the stages, the tokens (B, P + M, C) with what they were merged by.
        """
        return [
            _restored(x[:, cast("Stage", stage).prefix :], merged)
            for stage, (x, _, merged) in zip(self.stages, given, strict=True)
        ]

    def auxiliary_logits(self, stages: Sequence[Tensor], image: Tensor) -> list[Tensor]:
        """Return the classes by each auxiliary head of all patches that arrive at its block.

        Those that left before are judged as they were then, as published.
        """
        grid = patch_grid(Size(*image.shape[2:]), self.patch)
        # Blocks are counted from 1, and an exit stands before its own.
        exits = list(zip(shape_of(self.architecture).exits, self.exits, strict=True))[self.early :]
        maps = (tokens_to_nchw(head(stages[block - 2]), grid) for block, head in exits)
        return [self._without_padding(logits, image, grid) for logits in maps]

    def learned_logits(self, logits: Tensor) -> Tensor:
        """Return the logarithm of what a head of masks gives, and any other's logits as they are.

        Its sums of probabilities, divided by all of a pixel's, are those that the pixel is of each
        class.
        """
        return logits if self.queries is None else logits.clamp(min=_SMALLEST).log()

    def forward(self, image: Tensor) -> Tensor:
        """Return logits on the grid of the patches, or finer where the head makes them so."""
        x, patches, merged = self._embedded(image)
        grid, weights = grid_behind(self.sharing, patches), None
        weighing, rotation, before = self._last_weighing(), self._rotation(patches), x
        for assignment in merged:
            rotation = rotation and rotation.merged(assignment, x.shape[0])
            weights = weights_behind(assignment, None, x.shape[0]) if weighing >= 0 else None
        for number, stage in enumerate(self.stages):
            if number == self.joining and self.queries is not None:
                x = torch.cat((self.queries.expand(x.shape[0], -1, -1), x), 1)
                rotation = rotation and rotation.behind(self.queries.shape[0])
            evidence, arrived = self._evidence(number, x, before, merged), x[:, self.prefix :]
            x, grid, every = stage(x, grid, rotation, weights, merged=merged, evidence=evidence)
            if self._leaves_by(number + 1) == "change":
                before = _merged(arrived, every[len(merged) :])
            for assignment in every[len(merged) :]:
                rotation = rotation and rotation.merged(assignment, x.shape[0])
                if number < weighing:
                    weights = weights_behind(assignment, weights, x.shape[0])
            merged = every
        return self._without_padding(self._logits(x, patches, merged), image, patches)

    def _embedded(self, image: Tensor) -> tuple[Tensor, Grid, tuple[CountedAssignment, ...]]:
        """Return the tokens, the grid of all patches, and which of these they are, if fewer."""
        if self.sharing is None:
            return (*self.patch_embed(image), ())
        x, grid, assignment = embed_shared(self.patch_embed, image, self.sharing, self.policy)
        return x, grid, (assignment,)

    def _leaves_by(self, number: int) -> str | None:
        """Return by what tokens leave before a stage, counted from 0, if any do."""
        merging = cast("Stage", self.stages[number]).merging if number < len(self.stages) else None
        return None if merging is None else merging.leaves_by

    def _evidence(
        self, number: int, x: Tensor, before: Tensor, merged: Sequence[TokenAssignment]
    ) -> Evidence | None:
        """Return by what tokens leave before a stage, counted from 0; None where none do.

        Args:
            number: Of the stage.
            x: What arrives there, (B, P + N, C).
            before: The same patches in front of the block before, (B, N, C).
            merged: What merged and left so far.
        """
        leaves_by, patches = self._leaves_by(number), x[:, self.prefix :]
        if leaves_by is None:
            return None
        left = tuple(one.left for one in merged if isinstance(one, PassedTokens))
        if leaves_by == "change":
            return Evidence(torch.cat((before, patches), 2), left)
        head = self.exits[shape_of(self.architecture).exits.index(number + 1)]
        return Evidence(head(patches), left)

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
        # The norm and the head see what left too, as far as it had not merged before.
        kinds = [isinstance(one, PassedTokens) for one in merged]
        first = kinds.index(True) if any(kinds) else len(merged)
        normed = self.norm(_restored(x[:, self.prefix :], merged[first:]))
        merged = merged[:first]
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


def _merged(x: Tensor, assignments: Sequence[TokenAssignment]) -> Tensor:
    """Return tokens merged by one assignment after the other."""
    for assignment in assignments:
        x = assignment.merge(x)
    return x


def _restored(x: Tensor, merged: Sequence[TokenAssignment]) -> Tensor:
    """Return for each patch what the token has that it was merged into, the last merge first."""
    for assignment in reversed(merged):
        x = assignment.unmerge(x)
    return x
