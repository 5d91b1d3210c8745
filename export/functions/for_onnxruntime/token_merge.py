"""SegppTokenMerge as a scatter that adds: every row is read once.

The portable body multiplies by a matrix of slots x tokens; ONNX Runtime's ScatterND adds the rows
one after the other, in raster order.
"""

import onnx
from onnx import FunctionProto, NodeProto
from onnxscript import opset18 as op
from onnxscript import script

from segpp.export.functions import Shapes
from segpp.export.functions._script import SEGPP, proto_of
from segpp.export.functions.for_onnxruntime import FOR_ONNXRUNTIME

__all__ = ["token_merge"]

_FLOAT = onnx.TensorProto.FLOAT
_INT64 = onnx.TensorProto.INT64


@FOR_ONNXRUNTIME.register("SegppTokenMerge")
def token_merge(_nodes: list[NodeProto], _shapes: Shapes) -> FunctionProto:
    """Return the function."""
    return proto_of(SegppTokenMerge)


# ruff: noqa: N802 - the function's name is the operator's
# mypy: disable-error-code="no-untyped-def, operator, no-any-return, untyped-decorator"
@script(SEGPP, default_opset=op)
def SegppTokenMerge(x, slot, slots: int, singles: int):  # noqa: ANN001, ANN202, ARG001 - onnxscript infers
    """Run ``segpp.ops.merge_reference``."""
    zero = op.Constant(value_int=0)
    one = op.Constant(value_int=1)
    m = op.Constant(value_int=slots)
    images = op.Shape(x, start=0, end=1)
    tokens = op.Shape(x, start=0, end=2)
    channels = op.Shape(x, start=2)
    # The rows of image b start at b * slots once the batch is flattened: (B, 1)
    offset = op.Unsqueeze(op.Range(zero, op.Squeeze(images), one) * m, one)
    row = op.Unsqueeze(op.Cast(slot, to=_INT64) + offset, op.Constant(value_ints=[2]))
    wide = op.Cast(x, to=_FLOAT)
    rows = images * op.Reshape(m, op.Constant(value_ints=[1]))
    nothing = op.Constant(value_float=0.0)
    none = op.Expand(nothing, op.Concat(rows, channels, axis=0))
    total = op.ScatterND(none, row, wide, reduction="add")
    ones = op.Expand(op.Constant(value_float=1.0), tokens)
    count = op.ScatterND(op.Expand(nothing, rows), row, ones, reduction="add")
    members = op.Unsqueeze(op.Max(count, op.Constant(value_float=1.0)), one)
    shape = op.Concat(images, op.Reshape(m, op.Constant(value_ints=[1])), channels, axis=0)
    return op.CastLike(op.Reshape(total / members, shape), x)
