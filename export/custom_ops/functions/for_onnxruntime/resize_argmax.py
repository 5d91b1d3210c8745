"""SegppResizeArgmax with the winner's number as a byte, which TensorRT does not compute with."""

from onnx import FunctionProto, NodeProto

from segpp.export.custom_ops.functions import Shapes
from segpp.export.custom_ops.functions._argmax_tournament import BYTES
from segpp.export.custom_ops.functions._resize_argmax_body import resize_knockout
from segpp.export.custom_ops.functions.for_onnxruntime import FOR_ONNXRUNTIME

__all__ = ["resize_argmax"]


@FOR_ONNXRUNTIME.register("SegppResizeArgmax")
def resize_argmax(nodes: list[NodeProto], shapes: Shapes) -> FunctionProto:
    """Return the function for the one size that the file has.

    Raises:
        GraphError: The logits have no known shape, or two nodes have different ones.
    """
    return resize_knockout(nodes, shapes, BYTES)
