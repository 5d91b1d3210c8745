"""From what the user asks for to which reduction works at which site.

``none``, ``hq``, ``fast`` and ``2x2`` are the paper's; a ratio is the same layout with one number;
single sites can be set on top of either.

Source: Kienzle et al., SegFormer++, 2024 (arXiv:2405.14467), table 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from segpp.errors import ReductionError
from segpp.export.models.segformer.sites import SITES, grid_at
from segpp.export.reduction import REDUCTIONS, TokenReduction
from segpp.export.reduction.match_sharing import MatchEvery, blocks_per_match
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.n2d import Neighbour2d
from segpp.export.reduction.sites import Site, parse_site
from segpp.manifest import ReductionSite
from segpp.ops.grid import Grid
from segpp.utils.choices import check_choice
from segpp.utils.dataclass_json import encode

__all__ = ["PRESETS", "ReductionPlan", "describe", "plan_from"]

ReductionPlan = Mapping[Site, TokenReduction]

# Up to this ratio 2x2 cells have enough sources; above it they run out, 4x4 cells do not.
_MAX_RATIO_OF_2X2 = 0.75

_KV = (Site(1, "kv"), Site(2, "kv"))
_Q = (Site(3, "q"), Site(4, "q"))


def _merging(kv: BipartiteSoftMatching, q: BipartiteSoftMatching) -> ReductionPlan:
    return {**dict.fromkeys(_KV, kv), **dict.fromkeys(_Q, q)}


PRESETS: Mapping[str, ReductionPlan] = {
    "none": {},
    "hq": _merging(BipartiteSoftMatching(0.6, 2, 2), BipartiteSoftMatching(0.8, 4, 4)),
    "fast": _merging(BipartiteSoftMatching(0.9, 4, 4), BipartiteSoftMatching(0.9, 4, 4)),
    "2x2": {site: Neighbour2d(2, 2) for site in SITES if site.side == "q"},
}


def plan_from(
    *, preset: str | None = None, ratio: float | None = None, reduce: Sequence[str] = ()
) -> ReductionPlan:
    """Return the reduction at each site.

    Args:
        preset: One of ``PRESETS``; not together with ``ratio``.
        ratio: Share of tokens merged away at keys and values of stages 1 and 2 and at queries of
            stages 3 and 4, in [0, 1).
        reduce: ``STAGE.{q,kv}=METHOD:KEY=VALUE,…`` or ``STAGE.{q,kv}=none``, each replacing what
            preset or ratio put there.

    Raises:
        ReductionError: A name is unknown, or a number is out of range.
    """
    if preset is not None and ratio is not None:
        raise ReductionError(f"--preset {preset} and --ratio {ratio:g} exclude each other")
    plan = dict(_from_ratio(ratio) if ratio is not None else _from_preset(preset or "none"))
    for text in reduce:
        site, reduction = _parse_reduce(text)
        plan.pop(site, None)
        if reduction is not None:
            plan[site] = reduction
    return {site: plan[site] for site in SITES if site in plan}


def describe(
    plan: ReductionPlan, grids: tuple[Grid, ...], *, match_every: MatchEvery = 1
) -> tuple[ReductionSite, ...]:
    """Return the token counts at each site for the stages' ``grids``.

    Raises:
        ReductionError: A reduction does not fit its grid; the message names the site.
    """
    sites = (_describe(site, reduction, grids) for site, reduction in plan.items())
    return tuple(
        replace(site, match_every=blocks_per_match(match_every, site.stage)) for site in sites
    )


def _describe(site: Site, reduction: TokenReduction, grids: tuple[Grid, ...]) -> ReductionSite:
    grid = grid_at(site, grids)
    try:
        reduction.check_fits(grid)
    except ReductionError as failure:
        raise ReductionError(f"stage {site.stage}, {site.side}: {failure}") from failure
    return ReductionSite(
        stage=site.stage,
        side=site.side,
        method=reduction.name,
        settings=encode(reduction),
        grid=(grid.height, grid.width),
        tokens_in=grid.tokens,
        tokens_out=reduction.tokens_out(grid),
    )


def _from_preset(name: str) -> ReductionPlan:
    check_choice(name, PRESETS, kind="preset", error=ReductionError)
    return PRESETS[name]


def _from_ratio(ratio: float) -> ReductionPlan:
    if not 0 <= ratio < 1:
        raise ReductionError(
            f"--ratio {ratio:g} cannot be merged away",
            "the ratio is the share of tokens to merge at each site, in [0, 1)",
            hint="0.5 halves the tokens",
        )
    if ratio == 0:
        return {}
    side = 2 if ratio <= _MAX_RATIO_OF_2X2 else 4
    matching = BipartiteSoftMatching(ratio, side, side)
    return _merging(matching, matching)


def _parse_reduce(text: str) -> tuple[Site, TokenReduction | None]:
    where, equals, how = text.partition("=")
    if not equals:
        raise ReductionError(
            f"--reduce {text!r} is not STAGE.{{q,kv}}=METHOD:KEY=VALUE,…",
            hint="for example 3.q=bsm:ratio=0.8,sy=4,sx=4",
        )
    site = parse_site(where, SITES)
    if how == "none":
        return site, None
    name, _, settings = how.partition(":")
    reduction = REDUCTIONS[name].parse(settings)
    reduction.check_side(site)
    return site, reduction
