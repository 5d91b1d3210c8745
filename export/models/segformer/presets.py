"""Where and how much the paper merges, and what a single ratio means.

``none``, ``hq``, ``fast`` and ``2x2`` are the paper's; a ratio uses the same sites with one number.
``deep`` is ours: what docs/trade-offs.md finds to pay, smaller grids with one of these, which
depends on how many blocks the third stage has.

Source: Kienzle et al., SegFormer++, 2024 (arXiv:2405.14467), table 1.
"""

from collections.abc import Mapping, Sequence

from segpp.export.models.segformer.sites import SITES
from segpp.export.reduction.config import ReductionChoice, ReductionConfig, build_config
from segpp.export.reduction.methods.area import AreaGrid
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.n2d import Neighbor2d
from segpp.export.reduction.sites import HEAD, Site

__all__ = ["PRESETS", "VARIANTS", "reduction_config"]

# Up to this ratio 2x2 cells have enough sources; above it they run out, 4x4 cells do not.
_MAX_RATIO_OF_2X2 = 0.75

# From so many blocks on a third stage takes most of a network's arithmetic.
_THIRD, _DEEP = 2, 5
_THIRD_GRID, _HEAD_GRID = Site(3, "grid"), Site(HEAD, "grid")

_KV = (Site(1, "kv"), Site(2, "kv"))
_Q = (Site(3, "q"), Site(4, "q"))


def _bsm_at(kv: BipartiteSoftMatching, q: BipartiteSoftMatching) -> ReductionConfig:
    return {**dict.fromkeys(_KV, kv), **dict.fromkeys(_Q, q)}


_HQ = _bsm_at(kv=BipartiteSoftMatching(0.6, 2, 2), q=BipartiteSoftMatching(0.8, 4, 4))

_2X2: ReductionConfig = {site: Neighbor2d(2, 2) for site in SITES if site.side == "q"}

PRESETS: Mapping[str, ReductionConfig] = {
    "none": {},
    "hq": _HQ,
    "fast": _bsm_at(kv=BipartiteSoftMatching(0.9, 4, 4), q=BipartiteSoftMatching(0.9, 4, 4)),
    "2x2": _2X2,
    "deep": {**_HQ, _HEAD_GRID: AreaGrid(0.5)},
}

VARIANTS: Mapping[str, Mapping[str, ReductionConfig]] = {
    f"networks with {_DEEP} blocks in stage 3 or more": {
        "deep": {**_2X2, _THIRD_GRID: AreaGrid(0.5, first=2)},
    }
}


def _presets_of(depths: Sequence[int]) -> Mapping[str, ReductionConfig]:
    """Return the presets of a network with so many blocks in each stage."""
    [deep] = VARIANTS.values()
    return {**PRESETS, **deep} if depths[_THIRD] >= _DEEP else PRESETS


def reduction_config(
    *,
    preset: str | None = None,
    ratio: float | None = None,
    reduce: Sequence[str] = (),
    depths: Sequence[int] | None = None,
) -> ReductionConfig:
    """Return the reduction at each site of a SegFormer.

    Args:
        preset: One of ``PRESETS``; not together with ``ratio``.
        ratio: Share of tokens merged away at keys and values of stages 1 and 2 and at queries of
            stages 3 and 4, in [0, 1).
        reduce: ``SITE=METHOD:KEY=VALUE,…`` or ``SITE=none``, each replacing what preset or ratio
            put there.
        depths: How many blocks the network has in each stage; those of a B0 if None.

    Raises:
        ReductionError: A name is unknown, or a number is out of range.
    """
    choice = ReductionChoice(preset, ratio, tuple(reduce))
    presets = PRESETS if depths is None else _presets_of(depths)
    return build_config(choice, sites=SITES, presets=presets, from_ratio=_from_ratio)


def _from_ratio(ratio: float) -> ReductionConfig:
    side = 2 if ratio <= _MAX_RATIO_OF_2X2 else 4
    matching = BipartiteSoftMatching(ratio, side, side)
    return _bsm_at(kv=matching, q=matching)
