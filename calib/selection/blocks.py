"""What was measured and decided, block by block."""

from collections import Counter
from collections.abc import Mapping, Sequence

from segpp.calib.graph.sites import Site
from segpp.calib.selection.costs import BlockCost, BlockResult, PartGain
from segpp.calib.selection.sensitivity import blocks_of

__all__ = ["block_gains", "block_results"]


def block_gains(sites: Sequence[Site], gains: Sequence[PartGain]) -> dict[str, float]:
    """Return the milliseconds that a call gains by each block with a part that was timed.

    Parts are timed in all blocks of a stage at once; these are alike, so each has an even share.
    """
    by_part = {gain.part: gain.milliseconds for gain in gains}
    blocks = blocks_of(sites)
    parts = {block: {site.part for site in own} for block, own in blocks.items()}
    sharing = Counter(part for own in parts.values() for part in own)
    return {
        block: sum(by_part[part] / sharing[part] for part in own if part in by_part)
        for block, own in parts.items()
        if not own.isdisjoint(by_part)
    }


def block_results(
    sites: Sequence[Site],
    floats: Mapping[str, str],
    costs: Sequence[BlockCost],
    gained: Mapping[str, float],
) -> tuple[BlockResult, ...]:
    """Return what became of every block, in the order of the graph.

    Args:
        sites: All of the network.
        floats: Why a site stayed float, by the name of its node.
        costs: Of the blocks for which that was measured.
        gained: What ``block_gains`` gave.
    """
    divergences = {cost.block: cost.divergence for cost in costs}
    return tuple(
        BlockResult(
            block=block,
            products=len(own),
            int8=sum(site.node not in floats for site in own),
            divergence=divergences.get(block),
            milliseconds=gained.get(block),
            floats=dict(Counter(floats[site.node] for site in own if site.node in floats)),
        )
        for block, own in blocks_of(sites).items()
    )
