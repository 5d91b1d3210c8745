"""Where and how much a plain ViT merges when a single ratio or a preset is asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from segpp.errors import ReductionError
from segpp.export.models.vit.architecture import LARGE, exit_blocks, shape_of
from segpp.export.models.vit.passes import check_pass
from segpp.export.models.vit.sites import PATCHES_SITE, SITES, sites_of
from segpp.export.reduction.config import ReductionChoice, ReductionConfig, build_config
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.clap import ConditionalLocalPooling
from segpp.export.reduction.methods.flat import FlatSharing
from segpp.export.reduction.methods.gbm import GlobalBipartiteMatching
from segpp.export.reduction.methods.policy import PUBLISHED, TrainedPolicy
from segpp.export.reduction.methods.similarity import SimilarityGrid
from segpp.export.reduction.methods.token_pass import TokenPass
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture

__all__ = ["PRESETS", "VARIANTS", "reduction_config"]

# Up to this ratio 2x2 cells have enough sources; above it they run out, 4x4 cells do not.
_MAX_RATIO_OF_2X2 = 0.75


def _from_ratio(ratio: float) -> ReductionConfig:
    """Merge queries, keys and values of every block: they are the same tokens, and one match."""
    side = 2 if ratio <= _MAX_RATIO_OF_2X2 else 4
    inside = (site for site in SITES if site.side in {"q", "kv"})
    return dict.fromkeys(inside, BipartiteSoftMatching(ratio, side, side))


def _algm(second: int) -> ReductionConfig:
    """Merge windows in the first block, and whatever is alike in a later one.

    Source: Norouzi et al., ALGM, 2024 (arXiv:2406.09936), section 3.
    """
    return {
        Site(1, "tokens"): ConditionalLocalPooling(),
        Site(second, "tokens"): GlobalBipartiteMatching(),
    }


# Seven, five and three and a half of ten tokens are left, which is about what thresholds of the
# published models leave on Cityscapes.
_LEAVING = (0.3, 0.286, 0.3)


def _dovit(depth: int, exits: Sequence[int] = ()) -> ReductionConfig:
    """Let tokens leave before three blocks, by auxiliary heads where there are any.

    Source: Liu et al., DoViT, 2024 (arXiv:2308.01944), section 3.
    """
    # What was not trained with it keeps its class token.
    by: Mapping[str, Any] = {"by": "confidence"} if exits else {"by": "change", "cls": "same"}
    places = zip(exits or exit_blocks(depth), _LEAVING, strict=False)
    return {Site(block, "tokens"): TokenPass(ratio, **by) for block, ratio in places}


# Superpatches that a policy takes for one class share a token, or where nobody trained one those
# that vary least: Lu et al., CTS, 2023 (arXiv:2306.02095), section 3.
_SHARING: ReductionConfig = {PATCHES_SITE: FlatSharing()}
_BY_POLICY: Mapping[str, ReductionConfig] = {"cts": {PATCHES_SITE: TrainedPolicy()}}

# The fifth block of 12 and the seventh of 24, as published.
_SMALL = 12

# SegFormer's names mean what they do there and nothing here, so that none is taken for the other.
PRESETS: Mapping[str, ReductionConfig] = {
    "none": {},
    "even": _from_ratio(0.5),
    "algm": _algm(5),
    "cts": _SHARING,
    "dovit": _dovit(_SMALL),
}

_LARGE_ONES: Mapping[str, ReductionConfig] = {"algm": _algm(7), "dovit": _dovit(LARGE)}

VARIANTS: Mapping[str, Mapping[str, ReductionConfig]] = {
    f"networks with {LARGE} blocks or more": _LARGE_ONES,
    "networks with auxiliary heads": {"dovit": _dovit(_SMALL, exit_blocks(_SMALL))},
    "networks with a policy": _BY_POLICY,
}


def reduction_config(
    choice: ReductionChoice, architecture: Architecture | None = None
) -> ReductionConfig:
    """Return the reduction at each site.

    Args:
        choice: Preset or ratio, and single sites; each site named there must be one of the
            network's, and presets and ratios are limited to them.
        architecture: The network; any if None.

    Raises:
        ReductionError: A name is unknown, or a number is out of range; or tokens would merge by
            their maximum, which turns have none of, or leave by what the network does not have.
    """
    if architecture is None:
        return build_config(choice, sites=SITES, presets=PRESETS, from_ratio=_from_ratio)
    sites = sites_of(len(architecture.depths))
    presets = _presets(architecture)
    config = build_config(choice, sites=sites, presets=presets, from_ratio=_from_ratio)
    _check_means(config, rotary=bool(shape_of(architecture).rope_theta))
    for site, reduction in config.items():
        check_pass(site, reduction, architecture)
    return config


def _presets(architecture: Architecture) -> Mapping[str, ReductionConfig]:
    """Return what the presets do with a network."""
    depth, shape = len(architecture.depths), shape_of(architecture)
    return {
        **PRESETS,
        **(_LARGE_ONES if depth >= LARGE else {}),
        **({"dovit": _dovit(depth, shape.exits)} if shape.exits else {}),
        **({"cts": _sharing(shape.policy)} if shape.policy is not None else {}),
    }


def _sharing(schedule: tuple[int, int]) -> ReductionConfig:
    """Return what goes by a policy: as many as it was trained for, or else published."""
    told = min(schedule) > 0
    return {PATCHES_SITE: TrainedPolicy() if told else TrainedPolicy(ratio=PUBLISHED)}


def _check_means(config: ReductionConfig, *, rotary: bool) -> None:
    choosing = BipartiteSoftMatching, SimilarityGrid
    for site, reduction in config.items():
        if rotary and isinstance(reduction, choosing) and reduction.value != "mean":
            raise ReductionError(
                f"{site} merges by value={reduction.value}, which rotary positions do not have",
                hint=f"--reduce {site}={reduction.name}:value=mean",
            )
