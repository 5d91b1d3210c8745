"""The merge sites of a plain ViT, and the tokens that arrive at each.

A stage of a site is a block, counted from 1: ``3.q`` merges the queries of the third block and
unmerges what comes out, ``3.kv`` the tokens of its keys and values. Both see the tokens of the
patches alone. The prefix (class, distillation, registers) stands before them in the sequence, takes
part in every attention, and never merges.

``3.tokens`` shortens the sequence for all that follows, where ALGM does (Norouzi et al., 2024,
arXiv:2406.09936): between the attention of the block and its feed-forward part.

1. The patches (B, N, C) become (B, M, C) behind the prefix, and everything behind runs on P + M
   tokens, a head of single tokens too. Means count for how many patches a token stands where the
   method says so (``is_weighted``).
2. What arrives at later sites follows from the settings alone (``site_grids``). A method that keeps
   a grid (``similarity``) leaves a smaller one; any other leaves a sequence, which to methods of
   cells is ``Grid(1, M)``: with ``sy=1,sx=2`` ``bsm`` merges odd tokens into even ones, as the
   global step of ALGM does. The order in the sequence is that of the method's slots.
3. Where positions are rotary, merged tokens turn by the mean of their members' turns; see
   ``segpp.export.models.vit.network.rotation``.
4. ``pass`` lets tokens leave *before* the block, whose attention misses them too (DoViT, Liu et
   al., 2024, arXiv:2308.01944). They come back behind the last one as they were, and the norm there
   and the head see them with all others.
5. The way back: every assignment is kept, and undone in the reversed order. A head of single tokens
   (``SegmentationHead.needs_grid`` is False) gives logits (B, M, K), and these are restored: K
   numbers of a token are gathered and not C. A head that looks at neighbours gets restored tokens.

``embed.patches`` makes fewer tokens of the image in the first place, where CTS does (Lu et al.,
2023, arXiv:2306.02095): before the first block, which gets a sequence already. The patch embedding
sees the image and the image at half its size; ``segpp.export.models.vit.network.sharing`` has the
steps. What shares a token is restored last.

Where queries join the sequence late, as EoMT's, they stand before the prefix and count to it from
their first block on. They need no grid: theirs is the head that looks at neighbours, so tokens that
merged before or after they joined are restored before that head.
"""

from collections.abc import Mapping
from math import ceil

from segpp.errors import ReductionError
from segpp.export.models.vit.architecture import MAX_BLOCKS, PATCHES, shape_of
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.grid_reduction import GridReduction
from segpp.export.reduction.sites import EMBED, Side, Site
from segpp.manifest import Architecture
from segpp.ops.grid import Grid, Size

__all__ = ["PATCHES_SITE", "SIDES", "SITES", "grid_behind", "patch_grid", "site_grids", "sites_of"]

SIDES: tuple[Side, ...] = ("q", "kv", "tokens")
# Before all blocks.
PATCHES_SITE = Site(EMBED, "patches")


def sites_of(blocks: int) -> tuple[Site, ...]:
    """Return the sites of a network of so many blocks."""
    inside = (Site(block, side) for block in range(1, blocks + 1) for side in SIDES)
    return (PATCHES_SITE, *inside)


# Of any network of the family.
SITES = sites_of(MAX_BLOCKS)


def patch_grid(size: Size, patch: int) -> Grid:
    """Return the patches of an image of ``size``; the last of a row may be filled up with zeros."""
    return Grid(ceil(size.height / patch), ceil(size.width / patch))


def site_grids(
    size: Size,
    reductions: Mapping[Site, TokenReduction] | None = None,
    architecture: Architecture | None = None,
) -> Mapping[Site, Grid]:
    """Return the patches that arrive at each site.

    Args:
        size: Of the image in pixels.
        reductions: What works at the sites; behind a merge for all that follows fewer arrive.
        architecture: The network; before it is known, the finest patches are counted with.
    """
    patch = PATCHES[0] if architecture is None else shape_of(architecture).patch
    blocks = MAX_BLOCKS if architecture is None else len(architecture.depths)
    whole = patch_grid(size, patch)
    grids, grid = {PATCHES_SITE: whole}, grid_behind((reductions or {}).get(PATCHES_SITE), whole)
    for block in range(1, blocks + 1):
        here = (reductions or {}).get(Site(block, "tokens"))
        behind = grid_behind(here, grid)
        inside = behind if here is not None and here.leaves_by else grid
        grids |= dict.fromkeys((Site(block, side) for side in SIDES), inside)
        grids[Site(block, "tokens")], grid = grid, behind
    return grids


def grid_behind(reduction: TokenReduction | None, grid: Grid) -> Grid:
    """Return what is left of a grid for all that follows; all of it where nothing merges."""
    if reduction is None:
        return grid
    try:
        reduction.check_fits(grid)
    except ReductionError:
        # Told where tokens are counted, with the name of the site.
        return grid
    if isinstance(reduction, GridReduction):
        return reduction.grid_out(grid)
    return Grid(1, reduction.tokens_out(grid))
