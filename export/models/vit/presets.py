"""Where and how much a plain ViT merges when a single ratio or a preset is asked for."""

from collections.abc import Collection, Mapping

from segpp.errors import ReductionError
from segpp.export.models.vit.sites import SITES
from segpp.export.reduction.config import ReductionChoice, ReductionConfig, build_config
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.sites import Site

__all__ = ["PRESETS", "reduction_config"]

# Up to this ratio 2x2 cells have enough sources; above it they run out, 4x4 cells do not.
_MAX_RATIO_OF_2X2 = 0.75


def _from_ratio(ratio: float) -> ReductionConfig:
    """Merge queries, keys and values of every block: they are the same tokens, and one match."""
    side = 2 if ratio <= _MAX_RATIO_OF_2X2 else 4
    inside = (site for site in SITES if site.side != "tokens")
    return dict.fromkeys(inside, BipartiteSoftMatching(ratio, side, side))


# SegFormer's names mean what they do there and nothing here, so that none is taken for the other.
PRESETS: Mapping[str, ReductionConfig] = {"none": {}, "even": _from_ratio(0.5)}


def reduction_config(
    choice: ReductionChoice, sites: Collection[Site] = SITES, *, rotary: bool = False
) -> ReductionConfig:
    """Return the reduction at each site.

    Args:
        choice: Preset or ratio, and single sites; each site named there must be one of ``sites``,
            and presets and ratios are limited to them.
        sites: Those of the network.
        rotary: Whether its positions are rotary.

    Raises:
        ReductionError: A name is unknown, or a number is out of range; or tokens would merge by
            their maximum, which turns have none of.
    """
    config = build_config(choice, sites=sites, presets=PRESETS, from_ratio=_from_ratio)
    for site, reduction in config.items():
        if rotary and isinstance(reduction, BipartiteSoftMatching) and reduction.value != "mean":
            raise ReductionError(
                f"{site} merges by value={reduction.value}, which rotary positions do not have",
                hint=f"--reduce {site}=bsm:value=mean",
            )
    return config
