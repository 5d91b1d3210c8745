"""How far two FP32 computations of one network may differ, derived from its sizes.

A product of length n, summed in any order, has a relative rounding error of about
``sqrt(n) * 2**-24`` when roundings are independent (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., 2002, section 2.8). An image passes through its products one after the other,
so their errors add up.
"""

from math import ceil, sqrt

from segpp.export.models.segformer.architecture import FFN_RATIO, SR_RATIOS, STRIDES
from segpp.manifest import Architecture
from segpp.ops.grid import Size

__all__ = ["key_tokens", "relative_tolerance"]

_UNIT_ROUNDOFF = 2.0**-24
_PATCH = 7 * 7
_DEPTHWISE = 3 * 3


def key_tokens(size: Size) -> int:
    """Return the most keys per query for an image of ``size``: one per 32 x 32 pixels or less."""
    return ceil(size.height / STRIDES[-1]) * ceil(size.width / STRIDES[-1])


def relative_tolerance(architecture: Architecture, keys: int) -> float:
    """Return the allowed difference of two logits, relative to the largest logit.

    Args:
        architecture: The sizes that the lengths of its products follow from.
        keys: Keys per query, H/32 x W/32 without merging, both rounded up.
    """
    lengths = [*_encoder(architecture, keys), *_head(architecture)]
    return _UNIT_ROUNDOFF * sum(sqrt(length) for length in lengths)


def _encoder(architecture: Architecture, keys: int) -> list[int]:
    lengths, channels = [], architecture.channels
    stages = zip(architecture.dims, architecture.depths, architecture.heads, SR_RATIOS, strict=True)
    for dim, depth, heads, sr_ratio in stages:
        # In the order in which an image passes: patch, queries, spatial reduction, scores, weighted
        # values, output; then the feed-forward part and the means of the norms.
        lengths.append(channels * _PATCH)
        attention = [dim, dim * sr_ratio**2, dim // heads, keys, dim]
        ffn = [dim, _DEPTHWISE, dim * FFN_RATIO]
        norms = [dim] * 3
        lengths += depth * [*attention, *ffn, *norms]
        channels = dim
    return lengths


def _head(architecture: Architecture) -> list[int]:
    return [max(architecture.dims), 4 * architecture.decoder, architecture.decoder]
