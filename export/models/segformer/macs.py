"""Multiply-accumulates of a SegFormer, from its architecture and its merge sites alone.

Counted are convolutions, linear layers, the two products of attention, and the similarities that
decide what merges; one addition per merged token and channel stands for the merging. Norms,
activations, softmax and resizing are not counted, as usual. What the network computes as its
trainer wrote it: rewrites at export can only lower it.

Source: Xie et al., SegFormer, 2021 (arXiv:2105.15203), section 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import ceil

from segpp.export.models.segformer.architecture import FFN_RATIO, STAGES
from segpp.export.models.segformer.sites import grid_at, stage_grids
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture, ReductionSite
from segpp.ops.grid import Grid, Size
from segpp.ops.partition import BipartitePartition

__all__ = ["HeadMacs", "Macs", "StageMacs", "macs_of", "match_macs", "site_match_macs"]

_FIRST_KERNEL, _KERNEL = 7, 3
# Key and value for each token of the reduced grid; query and output for each query.
_SIDES = 2


@dataclass(frozen=True)
class StageMacs:
    """One stage: the patch embedding once, everything else over all its blocks.

    Args:
        projections: Queries, keys, values and output.
        products: Queries times keys, weights times values.
        reduction: The strided convolution that shortens keys and values.
        matching: The similarities between tokens.
        merging: One addition per token and channel.
    """

    patch_embedding: int
    projections: int
    products: int
    reduction: int
    ffn: int
    matching: int
    merging: int

    @property
    def attention(self) -> int:
        """What merging tokens makes cheaper, and what it costs."""
        return self.total - self.patch_embedding - self.ffn

    @property
    def total(self) -> int:
        """All of the stage."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class HeadMacs:
    """The decode head."""

    projections: int
    fuse: int
    classifier: int

    @property
    def total(self) -> int:
        """All of the head."""
        return self.projections + self.fuse + self.classifier


@dataclass(frozen=True)
class Macs:
    """A whole network, for one image."""

    stages: tuple[StageMacs, ...]
    head: HeadMacs

    @property
    def total(self) -> int:
        """All of the network."""
        return sum(stage.total for stage in self.stages) + self.head.total


def macs_of(architecture: Architecture, size: Size, reduction: Sequence[ReductionSite]) -> Macs:
    """Count a network's multiply-accumulates for one image of ``size`` with these merge sites."""
    grids = stage_grids(size)
    sites = {Site(site.stage, site.side): site for site in reduction}
    stages = tuple(_stage(architecture, grids, stage, sites) for stage in range(1, STAGES + 1))
    return Macs(stages, _head(architecture, grids))


def match_macs(partition: BipartitePartition, dim: int, window: int = 0) -> int:
    """Count the similarities of one bipartite matching.

    Args:
        window: How many cells away a destination may be; 0 is any distance.
    """
    compared = partition.cells.tokens
    if window:
        compared = min(compared, (2 * window + 1) ** 2)
    return partition.num_sources * compared * dim


def site_match_macs(site: ReductionSite, dim: int) -> int:
    """Count the similarities of one match at a site; 0 where the grid alone decides."""
    if site.method != "bsm":
        return 0
    cell = (int(site.settings["sy"]), int(site.settings["sx"]))
    window = int(site.settings.get("window", 0))
    return match_macs(BipartitePartition(Grid(*site.grid), *cell), dim, window)


def _stage(
    architecture: Architecture,
    grids: tuple[Grid, ...],
    stage: int,
    sites: Mapping[Site, ReductionSite],
) -> StageMacs:
    q, kv = sites.get(Site(stage, "q")), sites.get(Site(stage, "kv"))
    dim, depth = architecture.dims[stage - 1], architecture.depths[stage - 1]
    tokens, reduced = grids[stage - 1].tokens, grid_at(Site(stage, "kv"), grids).tokens
    queries = q.tokens_out if q else tokens
    keys = kv.tokens_out if kv else reduced
    merged = [site for site in (q, kv) if site]
    return StageMacs(
        patch_embedding=_patch_embedding(architecture, stage, tokens),
        projections=depth * _SIDES * (queries + keys) * dim**2,
        products=depth * _SIDES * queries * keys * dim,
        reduction=depth * _reduction(grids, stage) * dim**2,
        ffn=depth * tokens * dim * FFN_RATIO * (_SIDES * dim + _KERNEL**2),
        matching=sum(
            ceil(depth / site.match_every) * site_match_macs(site, dim) for site in merged
        ),
        merging=depth * sum(site.tokens_in * dim for site in merged),
    )


def _patch_embedding(architecture: Architecture, stage: int, tokens: int) -> int:
    first = stage == 1
    channels = architecture.channels if first else architecture.dims[stage - 2]
    kernel = _FIRST_KERNEL if first else _KERNEL
    return tokens * architecture.dims[stage - 1] * channels * kernel**2


def _reduction(grids: tuple[Grid, ...], stage: int) -> int:
    """Return how many tokens the strided convolution reads; the last stage has none."""
    grid, reduced = grids[stage - 1], grid_at(Site(stage, "kv"), grids)
    if grid == reduced:
        return 0
    side = grid.height // reduced.height
    return reduced.tokens * side**2


def _head(architecture: Architecture, grids: tuple[Grid, ...]) -> HeadMacs:
    levels = zip(grids, architecture.dims, strict=True)
    width, tokens = architecture.decoder, grids[0].tokens
    return HeadMacs(
        projections=sum(grid.tokens * dim * width for grid, dim in levels),
        fuse=tokens * STAGES * width**2,
        classifier=tokens * width * architecture.classes,
    )
