"""The body of SegppResizeArgmax: interpolation and knock-out, a strip of rows at a time.

Resize and ArgMax would hold every class at full resolution, and ArgMax is the slowest operator of
a CPU's library per byte. Here the pixels between four logits are channels of a 2x2 convolution
with constant weights, and a knock-out tournament finds the winner. Several classes go through it
side by side: fewer and longer operators, which two threads can share.
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
from segpp.export.custom_ops.functions import Shapes
from segpp.export.custom_ops.functions._argmax_tournament import (
    BITS,
    BYTES,
    Bytes,
    Entrant,
    Marking,
    knockout,
)
from segpp.export.custom_ops.functions._builder import Body

__all__ = ["resize_knockout"]

_FLOAT = onnx.TensorProto.FLOAT

# Pixels times classes in a strip: five megabytes of FP32, so that a strip stays in the caches.
_STRIP_VALUES = 5 << 18
_MIN_STRIPS, _MAX_STRIPS = 4, 32

# Classes side by side in one operator, at most.
_SIDE_BY_SIDE = 6


@dataclass(frozen=True)
class _Sizes:
    """What one node makes of what."""

    batch: int
    classes: int
    rows: int
    columns: int
    height: int
    width: int

    @property
    def scale(self) -> int | None:
        """ImageArray per logit along both axes, if that is one even number."""
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


def resize_knockout(nodes: list[NodeProto], shapes: Shapes, marking: Marking) -> FunctionProto:
    """Return the function for the one size that the nodes have.

    Raises:
        GraphError: The logits have no known shape, or two nodes have different ones.
    """
    sizes = {_sizes_of(node, shapes) for node in nodes}
    if len(sizes) != 1:
        raise GraphError("one function cannot resize logits of several shapes")
    [size] = sizes
    marking = _that_can_count(marking, size)
    body = Body("SegppResizeArgmax")
    wide = body("Cast", "logits", to=_FLOAT)
    by = _by_resize if size.scale is None else _by_cells
    kind = onnx.TensorProto.INT8 if size.classes <= ops.MAX_INT8_CLASSES else onnx.TensorProto.INT32
    flat = body("Squeeze", by(body, marking, wide, size), body.constant([1]))
    return body.function(body("Cast", flat, to=kind))


def _that_can_count(marking: Marking, size: _Sizes) -> Marking:
    too_many = size.groups * size.side_by_side > Bytes.LAST
    return BITS if marking is BYTES and too_many else marking


def _sizes_of(node: NodeProto, shapes: Shapes) -> _Sizes:
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    try:
        batch, classes, rows, columns = shapes[node.input[0]]
    except (KeyError, ValueError) as failure:
        raise GraphError(f"{node.name} resizes logits of unknown shape") from failure
    return _Sizes(batch, classes, rows, columns, attributes["height"], attributes["width"])


def _by_resize(body: Body, marking: Marking, logits: str, size: _Sizes) -> str:
    """Return labels (B, 1, H, W), each class resized for itself."""
    planes = body.several("Split", size.classes, logits, axis=1, num_outputs=size.classes)
    sizes = body.constant([size.batch, 1, size.height, size.width])
    how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}

    def resized(index: int) -> Entrant:
        return Entrant(body("Resize", planes[index], "", "", sizes, **how), [])

    return _label(body, marking, resized, range(size.classes))


def _by_cells(body: Body, marking: Marking, logits: str, size: _Sizes) -> str:
    """Return labels (B, 1, H, W) where the scale s is even.

    The pixels between four logits are a cell of s x s; half cells at the edges are completed by
    repeating the outermost logits, and cut off at the end.
    """
    scale = size.scale or 0
    missing = size.groups * size.side_by_side - size.classes
    padded = body("Pad", logits, body.constant([0, 0, 1, 1, 0, missing, 1, 1]), mode="edge")
    strips = [_strip(body, marking, padded, size, rows) for rows in _strips(size)]
    labels = strips[0] if len(strips) == 1 else body("Concat", *strips, axis=2)
    half = scale // 2
    start, end = [half, half], [half + size.height, half + size.width]
    return body("Slice", labels, *map(body.constant, (start, end, [2, 3])))


def _strips(size: _Sizes) -> list[range]:
    """Return the rows of cells of every strip."""
    cells = size.rows + 1
    values = size.height * size.width * size.groups * size.side_by_side
    wanted = min(max(-(-values // _STRIP_VALUES), _MIN_STRIPS), _MAX_STRIPS, cells)
    bounds = np.linspace(0, cells, wanted + 1).astype(int).tolist()
    return [range(*pair) for pair in pairwise(bounds)]


def _strip(body: Body, marking: Marking, padded: str, size: _Sizes, rows: range) -> str:
    """Return labels (B, 1, s * r, s * (w + 1)) of r rows of cells."""
    scale, along = size.scale or 0, size.side_by_side
    cells = [len(rows), size.columns + 1]
    groups = partial(_group, body, padded, size, rows)
    # Neighbouring classes meet first, each in the same place of its group.
    best = knockout(body, marking, groups, range(size.groups))
    shape = body.constant([size.batch, along, scale**2, *cells])

    def apart(name: str) -> list[str]:
        return body.several("Split", along, body("Reshape", name, shape), axis=1, num_outputs=along)

    values, marks = apart(best.value), [apart(bit) for bit in best.mark]

    def winner_of_groups(index: int) -> Entrant:
        return Entrant(values[index], [mark[index] for mark in marks])

    number = _label(body, marking, winner_of_groups, range(along), size.groups)
    shape = body.constant([size.batch, scale**2, *cells])
    return body("DepthToSpace", body("Reshape", number, shape), blocksize=scale)


def _group(body: Body, padded: str, size: _Sizes, rows: range, first: int) -> Entrant:
    """Return the pixels (B * n, s * s, 1, r, w + 1) of n classes: ``first`` and every g-th."""
    bounds = [first, rows.start], [size.groups * size.side_by_side, rows.stop + 1]
    strip = body("Slice", padded, *map(body.constant, (*bounds, [1, 2], [size.groups, 1])))
    # A third dimension of 1 changes nothing but keeps ONNX Runtime from its blocked layout, out
    # of which the channels would have to be copied.
    shape = [size.batch * size.side_by_side, 1, 1, len(rows) + 1, size.columns + 2]
    corners = body("Reshape", strip, body.constant(shape))
    return Entrant(body("Conv", corners, body.constant(_weights(size.scale or 0))), [])


def _weights(scale: int) -> NDArray[np.float32]:
    """Return (s * s, 1, 1, 2, 2): of what each pixel of a cell consists, in its corners."""
    along = (np.arange(scale, dtype=np.float32) + np.float32(0.5)) / np.float32(scale)
    pair = np.stack([1 - along, along], axis=1)
    weights: NDArray[np.float32] = np.einsum("ya,xb->yxab", pair, pair)
    return weights.reshape(-1, 1, 1, 2, 2)


def _label(
    body: Body,
    marking: Marking,
    entrant: Callable[[int], Entrant],
    entrants: range,
    step: int = 1,
) -> str:
    best = knockout(body, marking, entrant, entrants, step)
    if best.mark:
        return marking.number(body, best.mark)
    # The only class: number zero everywhere.
    return body("Cast", body("Greater", best.value, best.value), to=_FLOAT)
