"""A plain ViT for segmentation in torch, with the numerics of whichever codebase trained it."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from segpp.export.models.layers import LayerNorm, tokens_to_nchw
from segpp.export.models.network import Network
from segpp.export.models.vit.architecture import Numerics, shape_of
from segpp.export.models.vit.network.blocks import Attention, Block, behind
from segpp.export.models.vit.network.embedding import Embedding
from segpp.export.models.vit.network.heads import build_head
from segpp.export.models.vit.sites import grid_behind, sites_of
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

    def forward(self, x: Tensor, grid: Grid) -> tuple[Tensor, Grid, TokenAssignment | None]:
        """Transform tokens (B, P + N, C), the N patches on ``grid``, to (B, P + M, C).

        Returns:
            The tokens, the grid of the M, and which of the N they are, where something merged.
        """
        x = self.block.attend(x, grid)
        if self.merging is None:
            return self.block.transform(x), grid, None
        patches = x[:, self.prefix :]
        assignment = self.merging.match(patches, grid)
        x = behind(x[:, : self.prefix], assignment.merge(patches))
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
        shape = shape_of(architecture)
        self.patch, self.prefix = shape.patch, shape.prefix
        self.patch_embed = Embedding(architecture, numerics, grid)
        self.stages = nn.ModuleList(
            Stage(Block(dim, heads, shape, numerics.norm_eps, scaled=scaled), shape.prefix)
            for dim, heads in zip(architecture.dims, architecture.heads, strict=True)
        )
        dim = architecture.dims[-1]
        self.norm: nn.Module = LayerNorm(dim, eps=numerics.norm_eps) if normed else nn.Identity()
        self.head = build_head(architecture, numerics)

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
        for x, _, assignment in given:
            merged += [] if assignment is None else [assignment]
            outputs.append(_restored(x[:, self.prefix :], merged))
        return outputs

    def forward(self, image: Tensor) -> Tensor:
        """Return logits on the grid of the patches, or finer where the head makes them so."""
        x, patches = self.patch_embed(image)
        grid, merged = patches, list[TokenAssignment]()
        for stage in self.stages:
            x, grid, assignment = stage(x, grid)
            merged += [] if assignment is None else [assignment]
        x = self.norm(x[:, self.prefix :])
        if self.head.needs_grid:
            logits = self.head(_restored(x, merged), patches)
        else:
            # K numbers of a token are restored, and not C.
            logits = tokens_to_nchw(_restored(self.head.tokens(x), merged), patches)
        return self._without_padding(logits, image, patches)

    def _without_padding(self, logits: Tensor, image: Tensor, grid: Grid) -> Tensor:
        """Cut from the logits what lies on the zeros beside the image.

        Nothing is to be cut where the image is a multiple of the patch. Elsewhere the logits are
        resized to the padded image first, since its edge lies within a patch.
        """
        height, width = image.shape[2:]
        padded = (grid.height * self.patch, grid.width * self.patch)
        if padded == (height, width) or not self.numerics.crops_padding:
            return logits
        corners = self.numerics.align_corners
        resized = F.interpolate(logits, padded, mode="bilinear", align_corners=corners)
        return resized[:, :, :height, :width]


def _restored(x: Tensor, merged: Sequence[TokenAssignment]) -> Tensor:
    """Return for each patch what the token has that it was merged into, the last merge first."""
    for assignment in reversed(merged):
        x = assignment.unmerge(x)
    return x
