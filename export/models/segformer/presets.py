"""Where and how much the paper merges, and what a single ratio means.

``none``, ``hq``, ``fast`` and ``2x2`` are the paper's; a ratio uses the same sites with one number.

Source: Kienzle et al., SegFormer++, 2024 (arXiv:2405.14467), table 1.
"""

from collections.abc import Mapping, Sequence

from segpp.export.models.segformer.sites import SITES
from segpp.export.reduction.config import ReductionChoice, ReductionConfig, build_config
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.methods.n2d import Neighbor2d
from segpp.export.reduction.sites import Site

__all__ = ["PRESETS", "reduction_config"]

# Up to this ratio 2x2 cells have enough sources; above it they run out, 4x4 cells do not.
_MAX_RATIO_OF_2X2 = 0.75

_KV = (Site(1, "kv"), Site(2, "kv"))
_Q = (Site(3, "q"), Site(4, "q"))


def _bsm_at(kv: BipartiteSoftMatching, q: BipartiteSoftMatching) -> ReductionConfig:
    return {**dict.fromkeys(_KV, kv), **dict.fromkeys(_Q, q)}


PRESETS: Mapping[str, ReductionConfig] = {
    "none": {},
    "hq": _bsm_at(kv=BipartiteSoftMatching(0.6, 2, 2), q=BipartiteSoftMatching(0.8, 4, 4)),
    "fast": _bsm_at(kv=BipartiteSoftMatching(0.9, 4, 4), q=BipartiteSoftMatching(0.9, 4, 4)),
    "2x2": {site: Neighbor2d(2, 2) for site in SITES if site.side == "q"},
}


def reduction_config(
    *, preset: str | None = None, ratio: float | None = None, reduce: Sequence[str] = ()
) -> ReductionConfig:
    """Return the reduction at each site of a SegFormer.

    Args:
        preset: One of ``PRESETS``; not together with ``ratio``.
        ratio: Share of tokens merged away at keys and values of stages 1 and 2 and at queries of
            stages 3 and 4, in [0, 1).
        reduce: ``SITE=METHOD:KEY=VALUE,…`` or ``SITE=none``, each replacing what preset or ratio
            put there.

    Raises:
        ReductionError: A name is unknown, or a number is out of range.
    """
    choice = ReductionChoice(preset, ratio, tuple(reduce))
    return build_config(choice, sites=SITES, presets=PRESETS, from_ratio=_from_ratio)


def _from_ratio(ratio: float) -> ReductionConfig:
    side = 2 if ratio <= _MAX_RATIO_OF_2X2 else 4
    matching = BipartiteSoftMatching(ratio, side, side)
    return _bsm_at(kv=matching, q=matching)
