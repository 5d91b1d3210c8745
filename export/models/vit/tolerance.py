"""How far two FP32 computations of one network may differ, derived from its sizes.

As of SegFormer: a product of length n, summed in any order, has a relative rounding error of about
``sqrt(n) * 2**-24`` when roundings are independent (Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., 2002, section 2.8), and the errors of products that follow each other add up.
"""

from math import sqrt

from segpp.export.models.vit.architecture import prefixes, shape_of
from segpp.export.models.vit.sites import patch_grid
from segpp.manifest import Architecture, PlainViT
from segpp.ops.grid import Size

__all__ = ["relative_tolerance"]

_UNIT_ROUNDOFF = 2.0**-24
# What a 3x3 convolution looks at.
_NEIGHBORS = 9


def relative_tolerance(architecture: Architecture, size: Size) -> float:
    """Return the allowed difference of two logits, relative to the largest logit.

    Args:
        architecture: The sizes that the lengths of its products follow from.
        size: Of the image, which fixes the keys per query.
    """
    shape = shape_of(architecture)
    patches = patch_grid(size, shape.patch).tokens
    lengths = [architecture.channels * shape.patch**2]
    blocks = zip(architecture.dims, architecture.heads, prefixes(architecture), strict=True)
    for dim, heads, before in blocks:
        lengths += _block(dim, dim // heads, before + patches, shape.hidden)
    if architecture.head == "mask-classification":
        return _UNIT_ROUNDOFF * sum(map(sqrt, lengths + _masks(architecture, shape)))
    keys = prefixes(architecture)[-1] + patches
    width, dim = architecture.decoder, architecture.dims[-1]
    if architecture.head == "setr-pup":
        # Of each pixel the neighbours, and four of those that an upsampling lies between.
        lengths += [_NEIGHBORS * dim, *([_NEIGHBORS * width] * (shape.upscalings - 1))]
    inner = _block(width, dim // architecture.heads[-1], keys + architecture.classes, 4 * width)
    lengths += shape.head_blocks * inner + [dim, width, width, architecture.classes]
    return _UNIT_ROUNDOFF * sum(sqrt(length) for length in lengths)


def _masks(architecture: Architecture, shape: PlainViT) -> list[int]:
    # A pixel: the norm, both convolutions and their norm for each upscaling, the product with the
    # query. A query: its norm and three layers. The sums over classes and over queries.
    dim = architecture.dims[-1]
    pixel = [dim, *([dim, 9, dim] * shape.upscalings), dim]
    return [*pixel, *([dim] * 4), dim, architecture.classes + 1, shape.queries]


def _block(dim: int, head_channels: int, keys: int, hidden: int) -> list[int]:
    # In the order in which tokens pass: queries, scores, weighted values, output, both layers of
    # the feed-forward part, the means of the norms.
    return [dim, head_channels, keys, dim, dim, hidden, dim, dim]
