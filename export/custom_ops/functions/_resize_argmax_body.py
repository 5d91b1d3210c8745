"""The body of SegppResizeArgmax: interpolation and a tournament, a strip of rows at a time.

Resize and ArgMax would hold every class at full resolution, and ArgMax is the slowest operator of
a CPU's library per byte. Here the pixels between four logits are channels of a 2x2 convolution
with constant weights, and a knock-out tournament finds the winner. Several classes go through it
side by side: fewer and longer operators, which two threads can share.

With logits (B, K, h, w), an even scale s = H / h = W / w, and K classes in g groups of n:

1. Pad the logits by one on each side, repeating the edge, and the classes to g * n:
   (B, g * n, h + 2, w + 2). Between them lie (h + 1) x (w + 1) cells of s x s pixels.
2. For each strip of r rows of cells, interpolate group by group with one convolution:
   (B * n, 1, 1, r + 1, w + 2) -> (B * n, s * s, 1, r, w + 1).
3. Play the groups against each other, each class in its place: the highest of g.
4. Split the n places and play them against each other: (B, s * s, r, w + 1), number of the class.
5. DepthToSpace lays the s * s channels out as pixels: (B, 1, s * r, s * (w + 1)).
6. Join the strips and cut off half a cell at each edge: (B, 1, H, W).

Sampling positions are those of half-pixel centres (``align_corners=False``): pixel i of a cell of s
lies at (i + 1/2) / s between the two logits. With ``align_corners`` no two cells are alike, and
each class is resized for itself. A single class has no tournament: its label is whether it is
above 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import FunctionProto, NodeProto

from segpp import ops
from segpp.errors import GraphError
from segpp.export.custom_ops.functions import OperatorUses
from segpp.export.custom_ops.functions._argmax_tournament import (
    BIT_ENCODING,
    BYTE_ENCODING,
    ByteEncoding,
    Candidate,
    IndexEncoding,
    argmax_tournament,
)
from segpp.export.custom_ops.functions._builder import FunctionBuilder

__all__ = ["resize_argmax_function"]

_FLOAT = onnx.TensorProto.FLOAT

# Pixels times classes in a strip: five megabytes of FP32, so that a strip stays in the caches.
_STRIP_VALUES = 5 << 18
_MIN_STRIPS, _MAX_STRIPS = 4, 32

# Classes side by side in one operator, at most.
_SIDE_BY_SIDE = 6


@dataclass(frozen=True)
class _Sizes:
    """Logits (batch, classes, rows, columns) to labels (batch, height, width)."""

    batch: int
    classes: int
    rows: int
    columns: int
    height: int
    width: int
    align_corners: bool

    @property
    def scale(self) -> int | None:
        """Pixels per logit along both axes, if that is one even number and cells are alike."""
        if self.align_corners:
            return None
        scale = self.height // self.rows
        exact = (scale * self.rows, scale * self.columns) == (self.height, self.width)
        return scale if exact and scale % 2 == 0 and scale else None

    @property
    def groups(self) -> int:
        """How many groups of at most ``_SIDE_BY_SIDE`` classes: a power of two."""
        return 1 << max(0, -(-self.classes // _SIDE_BY_SIDE) - 1).bit_length()

    @property
    def side_by_side(self) -> int:
        """Classes in a group; the last class stands in for those that are missing."""
        return -(-self.classes // self.groups)


def resize_argmax_function(uses: OperatorUses, encoding: IndexEncoding) -> FunctionProto:
    """Return the function for the one size that the nodes have.

    Raises:
        GraphError: The logits have no known shape, or two nodes have different ones.
    """
    different = {_sizes_of(node, uses) for node in uses.nodes}
    if len(different) != 1:
        raise GraphError("one function cannot resize logits of several shapes")
    [sizes] = different
    encoding = _wide_enough(encoding, sizes)
    builder = FunctionBuilder("SegppResizeArgmax")
    logits = builder("Cast", "logits", to=_FLOAT)
    labels_from = _by_resize if sizes.scale is None else _by_cells
    flat = builder("Squeeze", labels_from(builder, encoding, logits, sizes), builder.constant([1]))
    is_small = sizes.classes <= ops.MAX_INT8_CLASSES
    kind = onnx.TensorProto.INT8 if is_small else onnx.TensorProto.INT32
    return builder.function(builder("Cast", flat, to=kind))


def _wide_enough(encoding: IndexEncoding, sizes: _Sizes) -> IndexEncoding:
    too_many = sizes.groups * sizes.side_by_side > ByteEncoding.LAST
    return BIT_ENCODING if encoding is BYTE_ENCODING and too_many else encoding


def _sizes_of(node: NodeProto, uses: OperatorUses) -> _Sizes:
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    try:
        batch, classes, rows, columns = uses.shapes[node.input[0]]
    except (KeyError, ValueError) as failure:
        raise GraphError(f"{node.name} resizes logits of unknown shape") from failure
    corners = bool(attributes.get("align_corners", 0))
    size = attributes["height"], attributes["width"]
    return _Sizes(batch, classes, rows, columns, *size, align_corners=corners)


def _by_resize(
    builder: FunctionBuilder, encoding: IndexEncoding, logits: str, sizes: _Sizes
) -> str:
    """Return labels (B, 1, H, W), each class resized for itself: for scales that are not even."""
    planes = builder.several("Split", sizes.classes, logits, axis=1, num_outputs=sizes.classes)
    size = builder.constant([sizes.batch, 1, sizes.height, sizes.width])
    positions = "align_corners" if sizes.align_corners else "half_pixel"
    how = {"mode": "linear", "coordinate_transformation_mode": positions}

    def resized(index: int) -> Candidate:
        # One class at a time: at no moment do all of them exist at full resolution.
        return Candidate(builder("Resize", planes[index], "", "", size, **how), [])

    return _label(builder, encoding, resized, range(sizes.classes))


def _by_cells(builder: FunctionBuilder, encoding: IndexEncoding, logits: str, sizes: _Sizes) -> str:
    """Return labels (B, 1, H, W) where the scale s is even.

    The pixels between four logits are a cell of s x s; half cells at the edges are completed by
    repeating the outermost logits, and cut off at the end.
    """
    scale = sizes.scale or 0
    # 1. (B, K, h, w) -> (B, g * n, h + 2, w + 2)
    missing = sizes.groups * sizes.side_by_side - sizes.classes
    pads = builder.constant([0, 0, 1, 1, 0, missing, 1, 1])
    padded = builder("Pad", logits, pads, mode="edge")
    # 2. to 5. for each strip
    strips = [_strip(builder, encoding, padded, sizes, rows) for rows in _strips(sizes)]
    # 6. (B, 1, s * (h + 1), s * (w + 1)) -> (B, 1, H, W)
    labels = strips[0] if len(strips) == 1 else builder("Concat", *strips, axis=2)
    half = scale // 2
    start, end = [half, half], [half + sizes.height, half + sizes.width]
    return builder("Slice", labels, *map(builder.constant, (start, end, [2, 3])))


def _strips(sizes: _Sizes) -> list[range]:
    """Return the rows of cells of every strip."""
    cells = sizes.rows + 1
    values = sizes.height * sizes.width * sizes.groups * sizes.side_by_side
    count = min(max(-(-values // _STRIP_VALUES), _MIN_STRIPS), _MAX_STRIPS, cells)
    bounds = np.linspace(0, cells, count + 1).astype(int).tolist()
    return [range(*pair) for pair in pairwise(bounds)]


def _strip(
    builder: FunctionBuilder, encoding: IndexEncoding, padded: str, sizes: _Sizes, rows: range
) -> str:
    """Return labels (B, 1, s * r, s * (w + 1)) of r rows of cells."""
    scale, n = sizes.scale or 0, sizes.side_by_side
    cells = [len(rows), sizes.columns + 1]
    # 2. and 3. Neighbouring classes meet first, each in the same place of its group.
    pixels = partial(_interpolated, builder, padded, sizes, rows)
    best = argmax_tournament(builder, encoding, pixels, range(sizes.groups))

    # 4. (B * n, s * s, 1, r, w + 1) -> n times (B, 1, s * s, r, w + 1); place p of group q is
    #    class p * g + q, so that a place comes with g numbers.
    apart = builder.constant([sizes.batch, n, scale**2, *cells])

    def split(name: str) -> list[str]:
        return builder.several("Split", n, builder("Reshape", name, apart), axis=1, num_outputs=n)

    values, bits = split(best.value), [split(bit) for bit in best.index]

    def winner_of_groups(place: int) -> Candidate:
        return Candidate(values[place], [bit[place] for bit in bits])

    number = _label(builder, encoding, winner_of_groups, range(n), sizes.groups)

    # 5. (B, s * s, r, w + 1) -> (B, 1, s * r, s * (w + 1))
    shape = builder.constant([sizes.batch, scale**2, *cells])
    return builder("DepthToSpace", builder("Reshape", number, shape), blocksize=scale)


def _interpolated(
    builder: FunctionBuilder, padded: str, sizes: _Sizes, rows: range, first: int
) -> Candidate:
    """Return the pixels (B * n, s * s, 1, r, w + 1) of n classes: ``first`` and every g-th."""
    bounds = [first, rows.start], [sizes.groups * sizes.side_by_side, rows.stop + 1]
    strip = builder("Slice", padded, *map(builder.constant, (*bounds, [1, 2], [sizes.groups, 1])))
    # A third dimension of 1 changes nothing but keeps ONNX Runtime from its blocked layout, out
    # of which the channels would have to be copied.
    shape = [sizes.batch * sizes.side_by_side, 1, 1, len(rows) + 1, sizes.columns + 2]
    corners = builder("Reshape", strip, builder.constant(shape))
    return Candidate(builder("Conv", corners, builder.constant(_weights(sizes.scale or 0))), [])


def _weights(scale: int) -> NDArray[np.float32]:
    """Return (s * s, 1, 1, 2, 2): of what each pixel of a cell consists, in its corners."""
    along = (np.arange(scale, dtype=np.float32) + np.float32(0.5)) / np.float32(scale)
    pair = np.stack([1 - along, along], axis=1)
    weights: NDArray[np.float32] = np.einsum("ya,xb->yxab", pair, pair)
    return weights.reshape(-1, 1, 1, 2, 2)


def _label(
    builder: FunctionBuilder,
    encoding: IndexEncoding,
    candidate: Callable[[int], Candidate],
    indices: range,
    step: int = 1,
) -> str:
    best = argmax_tournament(builder, encoding, candidate, indices, step)
    if best.index:
        return encoding.decode(builder, best.index)
    # The only class is the logit of a sigmoid.
    above = builder("Greater", best.value, builder.constant(np.float32(0)))
    return builder("Cast", above, to=_FLOAT)
