"""SegppResizeArgmax as standard operators: Resize, then ArgMax."""

import onnx
from onnx import FunctionProto, NodeProto
from onnxscript import opset18 as op
from onnxscript import script

from segpp.export.functions import FUNCTIONS
from segpp.export.functions._script import SEGPP, proto_of

__all__ = ["resize_argmax"]

_FLOAT = onnx.TensorProto.FLOAT
_INT8 = onnx.TensorProto.INT8


@FUNCTIONS.register("SegppResizeArgmax")
def resize_argmax(_nodes: list[NodeProto]) -> FunctionProto:
    """Return the function, for up to 127 classes: its labels are INT8."""
    return proto_of(SegppResizeArgmax)


# ruff: noqa: N802 - the function's name is the operator's
# mypy: disable-error-code="no-untyped-def, operator, no-any-return, untyped-decorator"
@script(SEGPP, default_opset=op)
def SegppResizeArgmax(logits, height: int, width: int):  # noqa: ANN001, ANN202 - onnxscript infers
    """Run ``segpp.ops.resize_argmax_reference``."""
    one = op.Constant(value_ints=[1])
    h = op.Reshape(op.Constant(value_int=height), one)
    w = op.Reshape(op.Constant(value_int=width), one)
    sizes = op.Concat(op.Shape(logits, start=0, end=2), h, w, axis=0)
    wide = op.Cast(logits, to=_FLOAT)
    pixels = op.Resize(
        wide, None, None, sizes, mode="linear", coordinate_transformation_mode="half_pixel"
    )
    return op.Cast(op.ArgMax(pixels, axis=1, keepdims=0), to=_INT8)
