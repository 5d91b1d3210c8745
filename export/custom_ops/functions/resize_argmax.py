"""SegppResizeArgmax as standard operators, with the winner's number as truth values."""

from onnx import FunctionProto, NodeProto

from segpp.export.custom_ops.functions import FUNCTIONS, Shapes
from segpp.export.custom_ops.functions._argmax_tournament import BITS
from segpp.export.custom_ops.functions._resize_argmax_body import resize_knockout

__all__ = ["resize_argmax"]


@FUNCTIONS.register("SegppResizeArgmax")
def resize_argmax(nodes: list[NodeProto], shapes: Shapes) -> FunctionProto:
    """Return the function for the one size that the file has.

    Raises:
        GraphError: The logits have no known shape, or two nodes have different ones.
    """
    return resize_knockout(nodes, shapes, BITS)
