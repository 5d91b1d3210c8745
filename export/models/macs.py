"""Multiply-accumulates of a network that merges tokens: what families count, and matching itself.

Counted are convolutions, linear layers, the two products of attention, and the similarities that
decide what merges; one addition per merged token and channel stands for the merging. Norms,
activations, softmax and resizing are not counted, as usual.
"""

from dataclasses import dataclass, fields

from segpp.export.reduction.config import recorded_reduction
from segpp.export.reduction.grid_reduction import GridReduction
from segpp.manifest import ReductionSite
from segpp.ops.grid import Grid

__all__ = ["HeadMacs", "Macs", "StageMacs", "pooling_macs", "site_match_macs"]


@dataclass(frozen=True)
class StageMacs:
    """One stage: the patch embedding once, everything else over all its blocks.

    Attributes:
        patch_embedding: From image or feature map to tokens.
        projections: Queries, keys, values and output.
        products: Queries times keys, weights times values.
        reduction: The strided convolution that shortens keys and values.
        ffn: The feed-forward part.
        matching: The similarities between tokens.
        merging: One addition per token and channel; of a smaller grid what pooling takes. In a
            feed-forward part the input merges, and what is between its layers.
        gating: What it takes to choose channels for an image, or which tokens leave.
    """

    patch_embedding: int
    projections: int
    products: int
    reduction: int
    ffn: int
    matching: int
    merging: int
    gating: int = 0

    @property
    def attention(self) -> int:
        """What merging tokens makes cheaper there, and what merging and matching cost anywhere."""
        return self.total - self.patch_embedding - self.ffn - self.gating

    @property
    def total(self) -> int:
        """All of the stage."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class HeadMacs:
    """The decode head; 0 for what it does not have.

    Attributes:
        projections: From each stage's features to channels of the head.
        fuse: All stages to one map.
        classifier: That map to logits.
        merging: What pooling takes where the head runs on a smaller grid.
    """

    projections: int
    fuse: int
    classifier: int
    merging: int = 0

    @property
    def total(self) -> int:
        """All of the head."""
        return self.projections + self.fuse + self.classifier + self.merging


@dataclass(frozen=True)
class Macs:
    """A whole network, for one image."""

    stages: tuple[StageMacs, ...]
    head: HeadMacs

    @property
    def total(self) -> int:
        """All of the network."""
        return sum(stage.total for stage in self.stages) + self.head.total


def site_match_macs(site: ReductionSite, dim: int) -> int:
    """Count the similarities of one match at a site; 0 where the grid alone decides.

    Args:
        site: Where, and by which method.
        dim: Channels of a token.
    """
    return recorded_reduction(site).decision_macs(Grid(*site.grid), dim)


def pooling_macs(site: ReductionSite | None, dim: int) -> int:
    """Count what going to a smaller grid once takes; 0 without one.

    Args:
        site: Of the grid.
        dim: Channels of a token.
    """
    reduction = None if site is None else recorded_reduction(site)
    if site is None or not isinstance(reduction, GridReduction):
        return 0
    return reduction.pool_macs(Grid(*site.grid)) * dim
