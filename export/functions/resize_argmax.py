"""SegppResizeArgmax as standard operators, a class and a strip of rows at a time.

Resize and ArgMax would hold every class at full resolution, and ArgMax is the slowest operator of
a CPU's library per byte. Here the pixels between four logits are channels of a 2x2 convolution
with constant weights, a knock-out tournament of Greater and Max finds the winner, and what it
keeps of the winner's number are single bits, as truth values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import FunctionProto, NodeProto

from segpp import ops
from segpp.errors import GraphError
from segpp.export.functions import FUNCTIONS, Shapes
from segpp.export.functions._body import Body

__all__ = ["resize_argmax"]

_FLOAT = onnx.TensorProto.FLOAT

# Pixels of one class in a strip: half a megabyte of FP32, so that a few of them stay in a
# second-level cache.
_STRIP_PIXELS = 1 << 17
_MAX_STRIPS = 16

# From the number of a class to the value that holds its pixels.
Pixels = Callable[[int], str]


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
        """Pixels per logit along both axes, if that is one even number."""
        scale = self.height // self.rows
        exact = (scale * self.rows, scale * self.columns) == (self.height, self.width)
        return scale if exact and scale % 2 == 0 and scale else None


@FUNCTIONS.register("SegppResizeArgmax")
def resize_argmax(nodes: list[NodeProto], shapes: Shapes) -> FunctionProto:
    """Return the function for the one size that the file has.

    Raises:
        GraphError: The logits have no known shape, or two nodes have different ones.
    """
    sizes = {_sizes_of(node, shapes) for node in nodes}
    if len(sizes) != 1:
        raise GraphError("one function cannot resize logits of several shapes")
    [size] = sizes
    body = Body("SegppResizeArgmax")
    wide = body("Cast", "logits", to=_FLOAT)
    labels = _by_resize(body, wide, size) if size.scale is None else _by_cells(body, wide, size)
    kind = onnx.TensorProto.INT8 if size.classes <= ops.MAX_INT8_CLASSES else onnx.TensorProto.INT32
    flat = body("Squeeze", labels, body.constant([1]))
    return body.function(body("Cast", flat, to=kind))


def _sizes_of(node: NodeProto, shapes: Shapes) -> _Sizes:
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    try:
        batch, classes, rows, columns = shapes[node.input[0]]
    except (KeyError, ValueError) as failure:
        raise GraphError(f"{node.name} resizes logits of unknown shape") from failure
    return _Sizes(batch, classes, rows, columns, attributes["height"], attributes["width"])


def _by_resize(body: Body, logits: str, size: _Sizes) -> str:
    """Return labels (B, 1, H, W), each class resized for itself."""
    planes = body.several("Split", size.classes, logits, axis=1, num_outputs=size.classes)
    sizes = body.constant([size.batch, 1, size.height, size.width])

    def pixels(index: int) -> str:
        return body(
            "Resize",
            planes[index],
            "",
            "",
            sizes,
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )

    return _number(body, _winner(body, pixels, size.classes))


def _by_cells(body: Body, logits: str, size: _Sizes) -> str:
    """Return labels (B, 1, H, W) where the scale s is even.

    The pixels between four logits are a cell of s x s; half cells at the edges are completed by
    repeating the outermost logits, and cut off at the end.
    """
    scale = size.scale or 0
    ones = [0, 0, 1, 1]
    padded = body("Pad", logits, body.constant([*ones, *ones]), mode="edge")
    cells = size.rows + 1
    wanted = -(-size.height * size.width // _STRIP_PIXELS)
    bounds = np.linspace(0, cells, min(wanted, _MAX_STRIPS, cells) + 1).astype(int).tolist()
    strips = [_strip(body, padded, size, range(*pair)) for pair in pairwise(bounds)]
    labels = strips[0] if len(strips) == 1 else body("Concat", *strips, axis=2)
    half = scale // 2
    start, end = [half, half], [half + size.height, half + size.width]
    return body("Slice", labels, *map(body.constant, (start, end, [2, 3])))


def _strip(body: Body, padded: str, size: _Sizes, cells: range) -> str:
    """Return labels (B, 1, s * r, s * (w + 1)) of the r rows of cells in ``cells``."""
    rows, scale = len(cells), size.scale or 0
    strip = body("Slice", padded, *map(body.constant, ([cells.start], [cells.stop + 1], [2])))
    # A third dimension of 1 changes nothing but keeps ONNX Runtime from its blocked layout, out
    # of which 16 channels would have to be copied for every class.
    shape = [size.batch, size.classes, 1, rows + 1, size.columns + 2]
    deep = body("Reshape", strip, body.constant(shape))
    planes = body.several("Split", size.classes, deep, axis=1, num_outputs=size.classes)
    weights = body.constant(_weights(scale))

    def pixels(index: int) -> str:
        return body("Conv", planes[index], weights)

    number = _number(body, _winner(body, pixels, size.classes))
    shape = [size.batch, scale**2, rows, size.columns + 1]
    return body("DepthToSpace", body("Reshape", number, body.constant(shape)), blocksize=scale)


def _weights(scale: int) -> NDArray[np.float32]:
    """Return (s * s, 1, 1, 2, 2): of what each pixel of a cell consists, in its corners."""
    along = (np.arange(scale, dtype=np.float32) + np.float32(0.5)) / np.float32(scale)
    pair = np.stack([1 - along, along], axis=1)
    weights: NDArray[np.float32] = np.einsum("ya,xb->yxab", pair, pair)
    return weights.reshape(-1, 1, 1, 2, 2)


def _winner(body: Body, pixels: Pixels, classes: int) -> list[str]:
    """Return the bits of the best class's number, the lowest first."""
    if classes == 1:
        only = pixels(0)
        return [body("Greater", only, only)]
    return _tournament(body, pixels, range(classes), final=True)[1]


def _tournament(
    body: Body, pixels: Pixels, entrants: range, *, final: bool = False
) -> tuple[str, list[str]]:
    """Return the highest value, and which of ``entrants`` has it, as bits.

    The left side holds the lower classes and a power of two of them, so its bits are those of
    the whole; the right side wins only if it is higher.
    """
    if len(entrants) == 1:
        return pixels(entrants[0]), []
    half = 1 << (len(entrants) - 1).bit_length() - 1
    left, left_bits = _tournament(body, pixels, entrants[:half])
    right, right_bits = _tournament(body, pixels, entrants[half:])
    wins = body("Greater", right, left)
    bits = [_chosen(body, wins, *pair) for pair in zip(right_bits, left_bits, strict=False)]
    if rest := left_bits[len(right_bits) :]:
        loses = body("Not", wins)
        bits += [body("And", bit, loses) for bit in rest]
    return "" if final else body("Max", left, right), [*bits, wins]


def _chosen(body: Body, condition: str, yes: str, no: str) -> str:
    # ONNX Runtime's Where is several times slower, and has no truth values.
    return body("Xor", no, body("And", condition, body("Xor", yes, no)))


def _number(body: Body, bits: list[str]) -> str:
    *lower, number = [body("Cast", bit, to=_FLOAT) for bit in bits]
    for bit in reversed(lower):
        number = body("Add", body("Add", number, number), bit)
    return number
