"""The part of SegppTokenMerge that averages, for a file in which every merge has slots of one row.

What stays by itself is copied, and only the slots that tokens merge into take part in the product:
a third of all where the paper's ``hq`` merges queries.
"""

import onnx
from onnxscript import opset18 as op
from onnxscript import script

from segpp.export.custom_ops.functions._onnxscript import SEGPP

__all__ = ["singles_merge"]

_FLOAT = onnx.TensorProto.FLOAT
_INT32 = onnx.TensorProto.INT32
_INT64 = onnx.TensorProto.INT64


# mypy: disable-error-code="no-untyped-def, operator, no-any-return, untyped-decorator"
@script(SEGPP, default_opset=op)
def singles_merge(wide, slot, slots: int, singles: int):  # noqa: ANN001, ANN202 - onnxscript infers
    """Return the means (B, M, C) of FP32 rows (B, N, C)."""
    zero = op.Constant(value_int=0)
    one = op.Constant(value_int=1)
    m = op.Constant(value_int=slots)
    alone = op.Constant(value_int=singles)
    in_line = op.Constant(value_ints=[1])
    images = op.Shape(slot, start=0, end=1)
    tokens = op.Shape(slot, start=1, end=2)

    # Some token of each slot; of a slot of one, that one. At least as long as ``slot``, because
    # TensorRT scatters into nothing shorter than what it scatters.
    token = op.Expand(op.Range(zero, op.Squeeze(tokens), one), op.Shape(slot))
    places = op.Max(tokens, op.Reshape(m, in_line))
    nobody = op.Expand(zero, op.Concat(images, places, axis=0))
    member = op.ScatterElements(nobody, op.Cast(slot, to=_INT64), token, axis=1)
    copied = op.Slice(member, op.Constant(value_ints=[0]), op.Reshape(alone, in_line), in_line)
    # The rows of image b start at b * N once the batch is flattened: (B, 1)
    offset = op.Unsqueeze(op.Range(zero, op.Squeeze(images), one) * op.Squeeze(tokens), one)
    row = op.Concat(op.Constant(value_ints=[-1]), op.Shape(wide, start=2), axis=0)
    copies = op.Gather(op.Reshape(wide, row), copied + offset, axis=0)

    index = op.Cast(op.Range(alone, m, one), to=_INT32)
    # (M - singles, 1) against (B, 1, N)
    owns = op.Cast(op.Equal(op.Unsqueeze(index, one), op.Unsqueeze(slot, one)), to=_FLOAT)
    count = op.ReduceSum(owns, op.Constant(value_ints=[2]))
    average = op.MatMul(owns, wide) / op.Max(count, op.Constant(value_float=1.0))
    mean = op.Concat(copies, average, axis=1)
    return mean  # noqa: RET504 - the value is found by this name
