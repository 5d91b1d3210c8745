"""SegppTokenUnmerge as standard operators: one Gather over the rows of all images."""

import onnx
from onnx import FunctionProto, NodeProto
from onnxscript import opset18 as op
from onnxscript import script

from segpp.export.custom_ops.functions import FUNCTIONS, Shapes
from segpp.export.custom_ops.functions._onnxscript import SEGPP, proto_of

__all__ = ["token_unmerge"]

_INT64 = onnx.TensorProto.INT64


@FUNCTIONS.register("SegppTokenUnmerge")
def token_unmerge(_nodes: list[NodeProto], _shapes: Shapes) -> FunctionProto:
    """Return the function."""
    return proto_of(SegppTokenUnmerge)


# ruff: noqa: N802 - the function's name is the operator's
# mypy: disable-error-code="no-untyped-def, operator, no-any-return, untyped-decorator"
@script(SEGPP, default_opset=op)
def SegppTokenUnmerge(y, slot):  # noqa: ANN001, ANN202 - onnxscript infers
    """Run ``segpp.ops.unmerge_reference``."""
    zero = op.Constant(value_int=0)
    one = op.Constant(value_int=1)
    batch = op.Squeeze(op.Shape(y, start=0, end=1), op.Constant(value_ints=[0]))
    slots = op.Squeeze(op.Shape(y, start=1, end=2), op.Constant(value_ints=[0]))
    # The rows of image b start at b * slots once the batch is flattened: (B, 1)
    offset = op.Unsqueeze(op.Range(zero, batch, one) * slots, one)
    row = op.Cast(slot, to=_INT64) + offset
    flat = op.Reshape(y, op.Concat(op.Constant(value_ints=[-1]), op.Shape(y, start=2), axis=0))
    return op.Gather(flat, row, axis=0)
