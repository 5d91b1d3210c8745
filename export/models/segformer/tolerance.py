"""How far two FP32 computations of one network may differ, derived from its sizes.

A product of length n, summed in any order, has a relative rounding error of about
``sqrt(n) * 2**-24`` when roundings are independent (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., 2002, section 2.8). An image passes through its products one after the other,
so their errors add up.
"""

from math import sqrt

from segpp.export.models.segformer.architecture import FFN_RATIO, REDUCE
from segpp.manifest import Architecture

__all__ = ["relative_tolerance"]

_UNIT_ROUNDOFF = 2.0**-24
_PATCH = 7 * 7
_DEPTHWISE = 3 * 3


def relative_tolerance(architecture: Architecture, key_tokens: int) -> float:
    """Return the allowed difference of two logits, relative to the largest logit.

    Args:
        key_tokens: Keys per query, H/32 x W/32 without merging.
    """
    lengths = [*_encoder(architecture, key_tokens), *_head(architecture)]
    return _UNIT_ROUNDOFF * sum(sqrt(length) for length in lengths)


def _encoder(architecture: Architecture, key_tokens: int) -> list[int]:
    lengths, channels = [], architecture.channels
    stages = zip(architecture.dims, architecture.depths, architecture.heads, REDUCE, strict=True)
    for dim, depth, heads, reduce in stages:
        lengths.append(channels * _PATCH)
        attention = [dim, dim * reduce**2, dim // heads, key_tokens, dim]
        ffn = [dim, _DEPTHWISE, dim * FFN_RATIO]
        norms = [dim] * 3
        lengths += depth * [*attention, *ffn, *norms]
        channels = dim
    return lengths


def _head(architecture: Architecture) -> list[int]:
    return [max(architecture.dims), 4 * architecture.decoder, architecture.decoder]
