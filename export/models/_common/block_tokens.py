"""What arrives at the attention and the feed-forward part of each block, and what is left of it.

All blocks see the same number of tokens, unless some of them run on a smaller grid. A manifest
tells the tokens on that grid; what the same settings leave on the full one follows from them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from segpp.export.reduction.config import ReductionConfig, recorded_reduction
from segpp.export.reduction.grid_reduction import runs_of
from segpp.export.reduction.sites import Site
from segpp.manifest import ReductionSite
from segpp.ops.grid import Grid, Size

__all__ = ["BlockTokens", "GridsOf", "block_tokens"]

# The tokens that arrive at each site for an image, given what works at the sites.
GridsOf = Callable[[Size, ReductionConfig | None], Mapping[Site, Grid]]


@dataclass(frozen=True)
class BlockTokens:
    """The blocks of one stage that run on one grid.

    Attributes:
        runs: How many of them follow each other, for each time that they do.
        grid: The tokens of a block.
        context: What its keys and values are made of.
        q: What merges its queries, if anything does.
        kv: What merges the tokens of its keys and values, if anything does.
        ffn: What merges the tokens of its feed-forward part, if anything does.
        tokens: What merges them for that part and all that follows, if anything does.
    """

    runs: tuple[int, ...]
    grid: Grid
    context: Grid
    q: ReductionSite | None
    kv: ReductionSite | None
    ffn: ReductionSite | None
    tokens: ReductionSite | None = None

    @property
    def blocks(self) -> int:
        """How many they are."""
        return sum(self.runs)

    @property
    def queries(self) -> int:
        """How many tokens ask."""
        return self.grid.tokens if self.q is None else self.q.tokens_out

    @property
    def keys(self) -> int:
        """How many tokens they ask."""
        return self.context.tokens if self.kv is None else self.kv.tokens_out

    @property
    def ffn_rows(self) -> int:
        """How many rows the linear layers of their feed-forward parts have."""
        return self.grid.tokens if self.ffn is None else self.ffn.tokens_out

    @property
    def merging(self) -> tuple[ReductionSite, ...]:
        """What merges."""
        return tuple(site for site in (self.q, self.kv, self.ffn, self.tokens) if site is not None)

    def matches(self, site: ReductionSite) -> int:
        """Return how often a site of theirs matches; no match outlives a run."""
        if site.match_of is not None:
            return 0
        return sum(ceil(run / site.match_every) for run in self.runs)


def block_tokens(
    grids_of: GridsOf,
    depth: int,
    size: Size,
    sites: Sequence[ReductionSite],
    stage: int,
) -> tuple[BlockTokens, ...]:
    """Return the blocks of a stage on its smaller grid, and those on the full one.

    Args:
        grids_of: ``grids`` of the network's family.
        depth: How many blocks the stage has.
        size: Of the input.
        sites: All merge sites.
        stage: Which, counted from 1.

    Raises:
        InputError: The sites fit no such network.
    """
    at = {Site(site.stage, site.side): site for site in sites}
    where = Site(stage, "grid")
    smaller = {where: recorded_reduction(at[where])} if where in at else {}
    # What merged in blocks before arrives in no later one.
    sides = ("tokens", "patches")
    shorter = {s: recorded_reduction(one) for s, one in at.items() if s.side in sides}
    runs = runs_of(smaller.get(where), depth)
    return tuple(
        _on_one_grid(
            lengths, grids_of(size, {**shorter, **(smaller if is_small else {})}), at, stage
        )
        for is_small in (True, False)
        if (lengths := tuple(length for small, length in runs if small is is_small))
    )


def _on_one_grid(
    runs: tuple[int, ...],
    grids: Mapping[Site, Grid],
    at: Mapping[Site, ReductionSite],
    stage: int,
) -> BlockTokens:
    q, kv, ffn = Site(stage, "q"), Site(stage, "kv"), Site(stage, "ffn")
    # A family may have neither.
    grid, context = (grids.get(site, Grid(0, 0)) for site in (q, kv))
    merging = _on(grid, at.get(q)), _on(context, at.get(kv)), _on(grid, at.get(ffn))
    return BlockTokens(runs, grid, context, *merging, tokens=at.get(Site(stage, "tokens")))


def _on(grid: Grid, site: ReductionSite | None) -> ReductionSite | None:
    """Return what a manifest's site is on this grid."""
    if site is None or site.grid == (grid.height, grid.width):
        return site
    left = recorded_reduction(site).tokens_out(grid)
    return replace(site, grid=(grid.height, grid.width), tokens_in=grid.tokens, tokens_out=left)
