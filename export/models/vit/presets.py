"""Where and how much a plain ViT merges when a single ratio or a preset is asked for."""

from collections.abc import Mapping

from segpp.errors import ReductionError
from segpp.export.models.vit.sites import SITES, sites_of
from segpp.export.reduction.config import ReductionChoice, ReductionConfig, build_config
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.clap import ConditionalLocalPooling
from segpp.export.reduction.methods.gbm import GlobalBipartiteMatching
from segpp.export.reduction.methods.similarity import SimilarityGrid
from segpp.export.reduction.sites import Site

__all__ = ["PRESETS", "VARIANTS", "reduction_config"]

# Up to this ratio 2x2 cells have enough sources; above it they run out, 4x4 cells do not.
_MAX_RATIO_OF_2X2 = 0.75


def _from_ratio(ratio: float) -> ReductionConfig:
    """Merge queries, keys and values of every block: they are the same tokens, and one match."""
    side = 2 if ratio <= _MAX_RATIO_OF_2X2 else 4
    inside = (site for site in SITES if site.side != "tokens")
    return dict.fromkeys(inside, BipartiteSoftMatching(ratio, side, side))


def _algm(second: int) -> ReductionConfig:
    """Merge windows in the first block, and whatever is alike in a later one.

    Source: Norouzi et al., ALGM, 2024 (arXiv:2406.09936), section 3.
    """
    return {
        Site(1, "tokens"): ConditionalLocalPooling(),
        Site(second, "tokens"): GlobalBipartiteMatching(),
    }


# The fifth block of 12 and the seventh of 24, as published.
_LARGE = 24

# SegFormer's names mean what they do there and nothing here, so that none is taken for the other.
PRESETS: Mapping[str, ReductionConfig] = {"none": {}, "even": _from_ratio(0.5), "algm": _algm(5)}

VARIANTS: Mapping[str, Mapping[str, ReductionConfig]] = {
    f"networks with {_LARGE} blocks or more": {"algm": _algm(7)}
}


def reduction_config(
    choice: ReductionChoice, blocks: int | None = None, *, rotary: bool = False
) -> ReductionConfig:
    """Return the reduction at each site.

    Args:
        choice: Preset or ratio, and single sites; each site named there must be one of the
            network's, and presets and ratios are limited to them.
        blocks: How many the network has; of any network if None.
        rotary: Whether its positions are rotary.

    Raises:
        ReductionError: A name is unknown, or a number is out of range; or tokens would merge by
            their maximum, which turns have none of.
    """
    sites = SITES if blocks is None else sites_of(blocks)
    [large] = VARIANTS.values()
    presets = PRESETS if blocks is None or blocks < _LARGE else {**PRESETS, **large}
    config = build_config(choice, sites=sites, presets=presets, from_ratio=_from_ratio)
    _check_means(config, rotary=rotary)
    return config


def _check_means(config: ReductionConfig, *, rotary: bool) -> None:
    choosing = BipartiteSoftMatching, SimilarityGrid
    for site, reduction in config.items():
        if rotary and isinstance(reduction, choosing) and reduction.value != "mean":
            raise ReductionError(
                f"{site} merges by value={reduction.value}, which rotary positions do not have",
                hint=f"--reduce {site}={reduction.name}:value=mean",
            )
