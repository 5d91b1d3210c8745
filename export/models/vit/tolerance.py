"""How far two FP32 computations of one network may differ, derived from its sizes.

As of SegFormer: a product of length n, summed in any order, has a relative rounding error of about
``sqrt(n) * 2**-24`` when roundings are independent (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., 2002, section 2.8), and the errors of products that follow each other add up.
"""

from math import sqrt

from segpp.export.models.vit.architecture import shape_of
from segpp.export.models.vit.sites import patch_grid
from segpp.manifest import Architecture
from segpp.ops.grid import Size

__all__ = ["relative_tolerance"]

_UNIT_ROUNDOFF = 2.0**-24


def relative_tolerance(architecture: Architecture, size: Size) -> float:
    """Return the allowed difference of two logits, relative to the largest logit.

    Args:
        architecture: The sizes that the lengths of its products follow from.
        size: Of the image, which fixes the keys per query.
    """
    shape = shape_of(architecture)
    keys = shape.prefix + patch_grid(size, shape.patch).tokens
    lengths = [architecture.channels * shape.patch**2]
    for dim, heads in zip(architecture.dims, architecture.heads, strict=True):
        lengths += _block(dim, dim // heads, keys, shape.hidden)
    width, dim = architecture.decoder, architecture.dims[-1]
    inner = _block(width, dim // architecture.heads[-1], keys + architecture.classes, 4 * width)
    lengths += shape.head_blocks * inner + [dim, width, width, architecture.classes]
    return _UNIT_ROUNDOFF * sum(sqrt(length) for length in lengths)


def _block(dim: int, head_channels: int, keys: int, hidden: int) -> list[int]:
    # In the order in which tokens pass: queries, scores, weighted values, output, both layers of
    # the feed-forward part, the means of the norms.
    return [dim, head_channels, keys, dim, dim, hidden, dim, dim]
