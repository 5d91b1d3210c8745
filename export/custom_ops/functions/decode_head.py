"""SegppDecodeHead as standard operators: those of the folded head, one by one.

Whoever puts functions in place has the graph that the head is without the operator, node for node,
and is as fast as there.
"""

from onnx import FunctionProto, NodeProto

from segpp.errors import GraphError
from segpp.export.custom_ops.functions import FUNCTIONS, OperatorUses
from segpp.export.custom_ops.functions._builder import FunctionBuilder

__all__ = ["decode_head"]

_Shape = tuple[int, ...]

_LEVELS, _AXES = 4, 4


@FUNCTIONS.register("SegppDecodeHead")
def decode_head(uses: OperatorUses) -> FunctionProto:
    """Return the function for the one size that the file has.

    Raises:
        GraphError: A level has no known shape, or two nodes differ.
    """
    different = {(_shapes_of(node, uses), _aligns_corners(node)) for node in uses.nodes}
    if len(different) != 1:
        raise GraphError("one function cannot fuse levels of several sizes")
    [(shapes, corners)] = different
    builder = FunctionBuilder("SegppDecodeHead")
    # 1. Every level at the size of the first: (B, D, h, w)
    second, third, fourth = (
        _resized(builder, name, shape, shapes[0], align_corners=corners)
        for name, shape in zip(("second", "third", "fourth"), shapes[1:], strict=True)
    )
    # 2. Their sum, the first last: an engine adds the rest in its convolution's pass.
    deeper = builder("Add", builder("Add", second, third), fourth)
    fused = builder("Relu", builder("Add", "first", deeper))
    # 3. The classifier: (B, K, h, w)
    return builder.function(builder("Conv", fused, "weight", "bias", kernel_shape=[1, 1]))


def _resized(
    builder: FunctionBuilder, name: str, shape: _Shape, target: _Shape, *, align_corners: bool
) -> str:
    if shape == target:
        return name
    positions = "align_corners" if align_corners else "half_pixel"
    how = {"mode": "linear", "coordinate_transformation_mode": positions}
    return builder("Resize", name, "", "", builder.constant(target), **how)


def _shapes_of(node: NodeProto, uses: OperatorUses) -> tuple[_Shape, ...]:
    shapes = tuple(uses.shapes.get(name, ()) for name in node.input[:_LEVELS])
    if any(len(shape) != _AXES for shape in shapes):
        raise GraphError(f"{node.name} fuses levels of unknown shape")
    return shapes


def _aligns_corners(node: NodeProto) -> bool:
    return any(one.name == "align_corners" and one.i != 0 for one in node.attribute)
