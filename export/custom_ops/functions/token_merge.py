"""SegppTokenMerge as standard operators: a one-hot product.

A scatter with a reduction is refused by TensorRT-RTX, ignored by old TensorRT, and in ONNX Runtime
two threads that add to one row at once lose one of the sums; a product has none of it. The sums
are the product's, not those of the canonical order, so the last bits differ from the oracle's.

1. Which slot owns which token, as ones and zeros: (B, M, N).
2. Its product with the tokens and a column of ones: (B, M, N) times (B, N, C + 1).
3. The first C columns divided by the last: (B, M, C).
"""

import onnx
from onnx import FunctionProto
from onnxscript import opset18 as op
from onnxscript import script

from segpp.export.custom_ops.functions import FUNCTIONS, OperatorUses
from segpp.export.custom_ops.functions._merge_singletons import merge_singletons
from segpp.export.custom_ops.functions._onnxscript import SEGPP, replace_subgraph, to_function_proto

__all__ = ["token_merge"]

_FLOAT = onnx.TensorProto.FLOAT
_INT32 = onnx.TensorProto.INT32


@FUNCTIONS.register("SegppTokenMerge")
def token_merge(uses: OperatorUses) -> FunctionProto:
    """Return the function: rows that stay alone are copied if every node of the file has some."""
    function = to_function_proto(SegppTokenMerge)
    alone = uses.all_have("singles")
    return replace_subgraph(function, merge_singletons) if alone else function


# ruff: noqa: N802 - the function's name is the operator's
# mypy: disable-error-code="no-untyped-def, operator, no-any-return, untyped-decorator"
@script(SEGPP, default_opset=op)
def SegppTokenMerge(x, slot, slots: int, singles: int):  # noqa: ANN001, ANN202, ARG001 - see below
    # onnxscript infers the types; ``singles`` is read by the part that may replace this one.
    """Run ``segpp.ops.merge_reference``: x (B, N, C) and slot (B, N) to means (B, M, C)."""
    zero = op.Constant(value_int=0)
    one = op.Constant(value_int=1)
    index = op.Cast(op.Range(zero, op.Constant(value_int=slots), one), to=_INT32)
    # 1. (M, 1) against (B, 1, N)
    owns = op.Equal(op.Unsqueeze(index, one), op.Unsqueeze(slot, one))
    one_hot = op.Cast(owns, to=_FLOAT)
    wide = op.Cast(x, to=_FLOAT)
    # 2. In FP32: half precision counts exactly to 2,048 only. A column of ones makes the same
    #    product count the members.
    ones_shape = op.Concat(op.Shape(x, start=0, end=2), op.Constant(value_ints=[1]), axis=0)
    ones = op.Expand(op.Constant(value_float=1.0), ones_shape)
    sums = op.MatMul(one_hot, op.Concat(wide, ones, axis=2))
    # 3. The maximum guards a slot without tokens.
    last = op.Constant(value_ints=[-1])
    first = op.Constant(value_ints=[0])
    end = op.Constant(value_ints=[2147483647])
    channels = op.Constant(value_ints=[2])
    total = op.Slice(sums, first, last, channels)
    count = op.Slice(sums, last, end, channels)
    mean = total / op.Max(count, op.Constant(value_float=1.0))
    return op.CastLike(mean, x)
