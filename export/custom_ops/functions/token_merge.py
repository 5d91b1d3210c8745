"""SegppTokenMerge as standard operators: a one-hot product.

A scatter with a reduction is refused by TensorRT-RTX, ignored by old TensorRT, and in ONNX Runtime
two threads that add to one row at once lose one of the sums; a product has none of it. The sums
are the product's, not those of the canonical order, so the last bits differ from the oracle's.
"""

import onnx
from onnx import FunctionProto, NodeProto
from onnxscript import opset18 as op
from onnxscript import script

from segpp.export.custom_ops.functions import FUNCTIONS, Shapes
from segpp.export.custom_ops.functions._merge_singletons import singles_merge
from segpp.export.custom_ops.functions._onnxscript import SEGPP, proto_of, with_part

__all__ = ["token_merge"]

_FLOAT = onnx.TensorProto.FLOAT
_INT32 = onnx.TensorProto.INT32


@FUNCTIONS.register("SegppTokenMerge")
def token_merge(nodes: list[NodeProto], _shapes: Shapes) -> FunctionProto:
    """Return the function: rows that stay alone are copied if every node of the file has some."""
    function = proto_of(SegppTokenMerge)
    alone = all(any(a.name == "singles" and a.i for a in node.attribute) for node in nodes)
    return with_part(function, singles_merge) if alone else function


# ruff: noqa: N802 - the function's name is the operator's
# mypy: disable-error-code="no-untyped-def, operator, no-any-return, untyped-decorator"
@script(SEGPP, default_opset=op)
def SegppTokenMerge(x, slot, slots: int, singles: int):  # noqa: ANN001, ANN202, ARG001 - see below
    # onnxscript infers the types; ``singles`` is read by the part that may replace this one.
    """Run ``segpp.ops.merge_reference``."""
    zero = op.Constant(value_int=0)
    one = op.Constant(value_int=1)
    index = op.Cast(op.Range(zero, op.Constant(value_int=slots), one), to=_INT32)
    # (M, 1) against (B, 1, N)
    owns = op.Equal(op.Unsqueeze(index, one), op.Unsqueeze(slot, one))
    one_hot = op.Cast(owns, to=_FLOAT)
    wide = op.Cast(x, to=_FLOAT)
    # A column of ones makes the same product count the members.
    ones_shape = op.Concat(op.Shape(x, start=0, end=2), op.Constant(value_ints=[1]), axis=0)
    ones = op.Expand(op.Constant(value_float=1.0), ones_shape)
    sums = op.MatMul(one_hot, op.Concat(wide, ones, axis=2))
    last = op.Constant(value_ints=[-1])
    first = op.Constant(value_ints=[0])
    end = op.Constant(value_ints=[2147483647])
    channels = op.Constant(value_ints=[2])
    total = op.Slice(sums, first, last, channels)
    count = op.Slice(sums, last, end, channels)
    mean = total / op.Max(count, op.Constant(value_float=1.0))
    return op.CastLike(mean, x)
