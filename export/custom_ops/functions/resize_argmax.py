"""SegppResizeArgmax as standard operators: a tournament of classes per pixel."""

from onnx import FunctionProto

from segpp.export.custom_ops.functions import FUNCTIONS, OperatorUses
from segpp.export.custom_ops.functions._argmax_tournament import BIT_ENCODING, BYTE_ENCODING
from segpp.export.custom_ops.functions._resize_argmax_body import resize_argmax_function
from segpp.export.targets import ONNXRUNTIME

__all__ = ["resize_argmax"]


@FUNCTIONS.register("SegppResizeArgmax")
def resize_argmax(uses: OperatorUses) -> FunctionProto:
    """Return the function for the one size that the file has.

    The winner's number is a byte for ONNX Runtime, which is faster there, and truth values for
    everybody else: TensorRT does not compute with bytes.

    Raises:
        GraphError: The logits have no known shape, or two nodes have different ones.
    """
    encoding = BYTE_ENCODING if uses.target == ONNXRUNTIME else BIT_ENCODING
    return resize_argmax_function(uses, encoding)
