"""Whether merging pays: what it saves against the work of matching and merging.

Both are counted in multiply-accumulates. Saved are projections and products of the attention,
linear layers of the feed-forward part where that merges, and on a smaller grid of tokens the rest
of its blocks, or of the head, too.
Added are the similarities, the one-hot product that takes the means, and what a merge costs however
few tokens there are: some thirty small nodes, which a large image hides and a small one does not.
Not counted are the softmax that is saved and the passes over single elements that are added; from
256x256 on the first outweighs the second, so the warning errs towards too early rather than too
late.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from segpp.export.models._common.block_tokens import BlockTokens, block_tokens
from segpp.export.models.base import family_of, grids_of
from segpp.export.models.macs import pooling_macs, site_match_macs
from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.config import recorded_reduction
from segpp.export.reduction.gates.methods.dynamic import DynamicGate
from segpp.export.reduction.grid_reduction import GridReduction
from segpp.export.reduction.sites import EMBED, HEAD, Site
from segpp.manifest import Architecture, ChannelSite, ReductionSite
from segpp.ops.grid import Grid, Size

__all__ = ["SiteCost", "cost_warnings", "site_costs"]

# Measured with ONNX Runtime 1.31 on an AMD EPYC, B0 with hq on two threads: the nodes of a
# match take 110 microseconds and those of a merge with its restoring 40 where there are next to no
# tokens (128x128, 256x256), and a file does about 70,000 multiply-accumulates in a microsecond
# there. With these, 256x256 is where merging stops to pay, as measured: 13.2 ms without, 13.4 with.
# One thread does half as many, so that merging pays from 200x200 on; more threads do more.
_MACS_PER_MICROSECOND = 70_000
_MATCH_MICROSECONDS = 110
_MERGE_MICROSECONDS = 40
# For each weight that a dynamic gate gathers, and each value that is computed with such weights
# instead of prepared ones. Measured on one thread, B0 with keep=0.7 at ``hidden``: at 128x256 all
# stages lose 17 %, stages 3 and 4 alone 8 %; at 512x1024 the former lose 4 %, the latter between
# nothing and 2 %, which is as good as these counts tell.
_MACS_OF_A_GATHERED = 60

# What moves at a site, in tokens of a block's width, merged and restored: queries once each way,
# and in a feed-forward part the fourfold hidden ones (Vaswani et al., 2017, arXiv:1706.03762) too.
_MERGED = {"q": 1, "kv": 1, "ffn": 5, "tokens": 1}
_RESTORED = {"q": 1, "kv": 0, "ffn": 5, "tokens": 1}
_MERGES = {"ffn": 2}


@dataclass(frozen=True)
class SiteCost:
    """What merging at one site does, over all blocks of its stage, in multiply-accumulates."""

    site: str
    saved: int
    added: int

    @property
    def pays_off(self) -> bool:
        """Whether less is added than saved."""
        return self.added < self.saved


def site_costs(
    architecture: Architecture, size: Size, sites: Sequence[ReductionSite]
) -> tuple[SiteCost, ...]:
    """Return what each site saves, given all the others, and what it adds."""
    merged = _counted(architecture, size, sites)
    return tuple(
        SiteCost(
            site=str(Site(site.stage, site.side)),
            saved=_counted(architecture, size, [o for o in sites if o is not site]) - merged,
            added=_added(architecture, size, sites, site),
        )
        for site in sites
    )


def cost_warnings(
    architecture: Architecture,
    size: Size,
    sites: Sequence[ReductionSite],
    channels: Sequence[ChannelSite] = (),
) -> tuple[str, ...]:
    """Return why all merging together may cost more time than it saves; nothing where it pays.

    The same of dynamic channel gates, each for itself.
    """
    return (
        *_merging_warnings(architecture, size, sites),
        *_gate_warnings(architecture, size, sites, channels),
    )


def _gate_warnings(
    architecture: Architecture,
    size: Size,
    sites: Sequence[ReductionSite],
    channels: Sequence[ChannelSite],
) -> tuple[str, ...]:
    told = []
    for site in channels:
        saved, added = _gate_cost(architecture, size, sites, site)
        if site.method == DynamicGate.name and added >= saved:
            told.append(
                f"at {size} the dynamic gate at {site.stage}.{site.part} is predicted to save less "
                f"than it costs: {_against(saved, added)} million multiply-accumulates added; "
                "a fixed one adds nothing"
            )
    return tuple(told)


def _gate_cost(
    architecture: Architecture, size: Size, sites: Sequence[ReductionSite], site: ChannelSite
) -> tuple[int, int]:
    """Return what one gate saves and what gathering its weights adds, over all blocks."""
    family, stage = family_of(architecture), site.stage - 1
    without, within = (
        family.macs(architecture, size, sites, channels).stages[stage] for channels in ((), (site,))
    )
    parts = block_tokens(
        grids_of(architecture), architecture.depths[stage], size, sites, site.stage
    )
    is_hidden = site.part == "hidden"
    weights = (2 if is_hidden else 4) * site.channels_out * architecture.dims[stage]
    added = sum(
        p.blocks * (weights + (p.grid.tokens if is_hidden else p.queries) * site.channels_out)
        for p in parts
    )
    return without.total - within.total, _MACS_OF_A_GATHERED * added


def _merging_warnings(
    architecture: Architecture, size: Size, sites: Sequence[ReductionSite]
) -> tuple[str, ...]:
    costs = site_costs(architecture, size, sites)
    saved = _counted(architecture, size, ()) - _counted(architecture, size, sites)
    added = sum(cost.added for cost in costs)
    if sites and added >= saved:
        each = ", ".join(f"{cost.site} {_against(cost.saved, cost.added)}" for cost in costs)
        warning = (
            f"at {size} merging is predicted to be no faster than not merging: it saves "
            f"{_against(saved, added)} million multiply-accumulates added ({each}); leave it "
            "out (--preset none, and no --reduce of tokens), or choose a larger --size"
        )
        return (warning,)
    return ()


def cost_advice(
    architecture: Architecture, size: Size, sites: Sequence[ReductionSite]
) -> tuple[str, ...]:
    """Return which sites to leave out, a sentence each, where merging pays as a whole."""
    if _merging_warnings(architecture, size, sites):
        return ()
    return tuple(
        f"at {size} merging at {cost.site} is predicted to save less than it costs: "
        f"{_against(cost.saved, cost.added)} million multiply-accumulates added; leave it out with "
        f"--reduce {' --reduce '.join(f'{one}=none' for one in _standing_on(cost.site, sites))}"
        for cost in site_costs(architecture, size, sites)
        if not cost.pays_off
    )


def _standing_on(name: str, sites: Sequence[ReductionSite]) -> Iterator[str]:
    """Yield a site and those that merge by its match, which cannot stay without it."""
    yield name
    for one in sites:
        if one.match_of is not None and name == f"{one.stage}.{one.match_of}":
            yield f"{one.stage}.{one.side}"


def _counted(architecture: Architecture, size: Size, sites: Sequence[ReductionSite]) -> int:
    """Return what the network itself takes, without matching and merging."""
    macs = family_of(architecture).macs(architecture, size, sites)
    stages = sum(stage.total - stage.matching - stage.merging for stage in macs.stages)
    return stages + macs.head.total - macs.head.merging


def _added(
    architecture: Architecture, size: Size, sites: Sequence[ReductionSite], site: ReductionSite
) -> int:
    if site.stage == HEAD:
        return pooling_macs(site, architecture.dims[0])
    if site.stage == EMBED:
        return _sharing(site, architecture.dims[0])
    dim, depth = architecture.dims[site.stage - 1], architecture.depths[site.stage - 1]
    parts = block_tokens(grids_of(architecture), depth, size, sites, site.stage)
    if site.side == "grid":
        return len(parts[0].runs) * _going_small(site, dim)
    own = [(part, one) for part in parts for one in part.merging if one.side == site.side]
    return sum(_in_blocks(part, one, dim) for part, one in own)


def _going_small(site: ReductionSite, dim: int) -> int:
    """Count one way to the smaller grid and back: matched, pooled, subtracted, resized, added."""
    moved = pooling_macs(site, dim) + (site.tokens_out + 2 * site.tokens_in) * dim
    fixed = _MERGE_MICROSECONDS + _matches(site) * _MATCH_MICROSECONDS
    return site_match_macs(site, dim) + moved + fixed * _MACS_PER_MICROSECOND


def _sharing(site: ReductionSite, dim: int) -> int:
    """Count what chooses who shares, once: scores, tokens gathered, and what they get back."""
    fixed = (_MERGE_MICROSECONDS + _MATCH_MICROSECONDS) * _MACS_PER_MICROSECOND
    return site_match_macs(site, dim) + (site.tokens_out + site.tokens_in) * dim + fixed


def _matches(site: ReductionSite) -> int:
    reduction = recorded_reduction(site)
    return reduction.matches(Grid(*site.grid)) if isinstance(reduction, GridReduction) else 0


def _in_blocks(part: BlockTokens, site: ReductionSite, dim: int) -> int:
    added = part.blocks * _merging(site, dim)
    if matching := site_match_macs(site, dim):
        merges = part.blocks * _MERGES.get(site.side, 1)
        added += merges * _MERGE_MICROSECONDS * _MACS_PER_MICROSECOND
        matching += max(1, _matches(site)) * _MATCH_MICROSECONDS * _MACS_PER_MICROSECOND
        added += part.matches(site) * matching
    return added


def _merging(site: ReductionSite, dim: int) -> int:
    if pooled := pooling_macs(site, dim):
        return pooled + site.tokens_in * dim * _RESTORED[site.side]
    merged = site.tokens_in * dim * _MERGED[site.side]
    moved = merged + site.tokens_in * dim * _RESTORED[site.side]
    # The means of what others merge into are a one-hot product; the methods that average
    # neighbours touch each number once.
    destinations = REDUCTIONS[site.method](**site.settings).destinations(Grid(*site.grid))
    return moved + merged * destinations


def _against(saved: int, added: int) -> str:
    return f"{saved / 1e6:,.1f} against {added / 1e6:,.1f}"
