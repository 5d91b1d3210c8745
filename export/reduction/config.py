"""Which reduction works at which site of a network: from the user's choice to token counts."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from segpp.errors import ReductionError, UnknownNameError
from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.gates.places import PARTS, names_place
from segpp.export.reduction.grid_reduction import GridReduction
from segpp.export.reduction.match_sharing import MatchInterval, interval_at
from segpp.export.reduction.query_match import (
    QUERIES,
    QueryMatch,
    check_query_matches,
    query_match,
)
from segpp.export.reduction.sites import HEAD, Site, parse_sites
from segpp.manifest import ReductionSite
from segpp.manifest.dataclass_json import decode, encode
from segpp.ops.grid import Grid
from segpp.utils.choices import check_choice

__all__ = [
    "ReductionChoice",
    "ReductionConfig",
    "build_config",
    "count_tokens",
    "recorded_config",
    "recorded_reduction",
]

ReductionConfig = Mapping[Site, TokenReduction]


@dataclass(frozen=True)
class ReductionChoice:
    """What a user asks for; only with a network's sites and presets is it a ``ReductionConfig``.

    Attributes:
        preset: Name of a preset of the network; not together with ``ratio``.
        ratio: Share of tokens merged away where the network merges best, in [0, 1).
        reduce: ``SITE=METHOD:KEY=VALUE,…``, ``SITE=none`` or ``STAGE.ffn=q``, each replacing what
            preset or ratio put there; the last one for a site counts. A site is one of tokens, or
            those of several stages (``3-12.q``), or places with channels, of which
            ``reduction.gates.config`` makes gates.
    """

    preset: str | None = None
    ratio: float | None = None
    reduce: tuple[str, ...] = ()


def build_config(
    choice: ReductionChoice,
    *,
    sites: Collection[Site],
    presets: Mapping[str, ReductionConfig],
    from_ratio: Callable[[float], ReductionConfig],
) -> ReductionConfig:
    """Return the reduction at each site, in the order of ``sites``.

    Args:
        choice: What is asked for.
        sites: Those that the network has.
        presets: Its presets, ``none`` among them.
        from_ratio: Where and how it merges a ratio above 0 and below 1.

    Raises:
        ReductionError: A name is unknown, or a number is out of range.
    """
    if choice.preset is not None and choice.ratio is not None:
        raise ReductionError(
            f"`preset={choice.preset}` and `ratio={choice.ratio:g}` exclude each other"
        )
    if choice.ratio is None:
        preset = choice.preset or "none"
        check_choice(preset, presets, kind="preset", error=UnknownNameError)
        config = dict(presets[preset])
    else:
        _check_ratio(choice.ratio)
        config = dict(from_ratio(choice.ratio)) if choice.ratio else {}
    as_queries: dict[Site, bool] = {}
    for text in choice.reduce:
        if names_place(text.partition("=")[0]):
            continue
        named, how = _parse_sites(text, sites)
        for site in named:
            # Popped first: the last word on a site counts, ``none`` included.
            config.pop(site, None)
            as_queries[site] = how == QUERIES
            if how not in {"none", QUERIES}:
                config[site] = _parse_reduction(how, site)
    # Only now is it known what merges the queries.
    config |= {site: query_match(site, config) for site, is_so in as_queries.items() if is_so}
    return {site: config[site] for site in sites if site in config}


def count_tokens(
    config: ReductionConfig,
    grids: Mapping[Site, Grid],
    *,
    depths: Sequence[int] | None = None,
    match_interval: MatchInterval = 1,
) -> tuple[ReductionSite, ...]:
    """Return what each reduction makes of the tokens that arrive at its site.

    Args:
        config: The reduction at each site.
        grids: The tokens that arrive at each site, given all the reductions.
        depths: How many blocks each stage has, where that is known.
        match_interval: In how many blocks one match serves, in all stages or by stage.

    Raises:
        ReductionError: A reduction does not fit its grid or stage; the message names the site.
    """
    check_query_matches(config)
    if depths is not None:
        _check_depths(config, depths)
    return tuple(
        _count_site(site, reduction, grids[site], interval_at(match_interval, site.stage))
        for site, reduction in config.items()
    )


def recorded_config(sites: Iterable[ReductionSite]) -> ReductionConfig:
    """Return the reductions that a manifest tells of.

    Raises:
        InputError: It has been edited, and there is no such method or setting.
    """
    return {Site(site.stage, site.side): recorded_reduction(site) for site in sites}


def recorded_reduction(site: ReductionSite) -> TokenReduction:
    """Return the reduction at a site as a manifest tells it.

    Raises:
        InputError: It has been edited, and there is no such method or setting.
    """
    where = f"the settings of {Site(site.stage, site.side).place}"
    reduction: TokenReduction = decode(REDUCTIONS[site.method], site.settings, where)
    return QueryMatch(reduction) if site.match_of == QUERIES else reduction


def _check_depths(config: ReductionConfig, depths: Sequence[int]) -> None:
    for site, reduction in config.items():
        if isinstance(reduction, GridReduction) and site.stage != HEAD:
            try:
                reduction.small_blocks(depths[site.stage - 1])
            except ReductionError as failure:
                raise failure.at(site.place) from failure


def _count_site(
    site: Site, reduction: TokenReduction, grid: Grid, match_interval: int
) -> ReductionSite:
    try:
        reduction.check_fits(grid)
    except ReductionError as failure:
        raise failure.at(site.place) from failure
    return ReductionSite(
        stage=site.stage,
        side=site.side,
        method=reduction.name,
        settings=encode(reduction.of if isinstance(reduction, QueryMatch) else reduction),
        grid=(grid.height, grid.width),
        tokens_in=grid.tokens,
        tokens_out=reduction.tokens_out(grid),
        # What is matched nowhere is used once.
        match_every=match_interval if _is_shared(site, reduction) else 1,
        match_of=QUERIES if isinstance(reduction, QueryMatch) else None,
    )


def _is_shared(site: Site, reduction: TokenReduction) -> bool:
    # What shortens the sequence is matched once, and a grid before its blocks.
    return site.side not in {"tokens", "patches"} and not isinstance(reduction, GridReduction)


def _check_ratio(ratio: float) -> None:
    if not 0 <= ratio < 1:
        raise ReductionError(
            f"`ratio={ratio:g}` cannot be merged away",
            "the ratio is the share of tokens to merge at each site, in [0, 1)",
            hint="0.5 halves the tokens",
        )


def _parse_sites(text: str, sites: Collection[Site]) -> tuple[tuple[Site, ...], str]:
    where, equals, how = text.partition("=")
    if not equals:
        raise ReductionError(
            f"`reduce={text!r}` is not SITE=METHOD:KEY=VALUE,…",
            hint="for example 3.q=bsm:ratio=0.8,sy=4,sx=4, or 3.grid=area:share=0.5",
        )
    return parse_sites(where, sites, PARTS), how


def _parse_reduction(how: str, site: Site) -> TokenReduction:
    name, _, settings = how.partition(":")
    reduction = REDUCTIONS[name].parse(settings)
    reduction.check_side(site)
    return reduction
