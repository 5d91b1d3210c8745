"""SegppTokenMatch as standard operators.

No NonZero, CumSum or full sort: destinations and sources follow from the strides in closed form,
the sources that *stay* are selected (fewer than those that merge, and within TensorRT's TopK limit
of 3,840 at every preset), and their indices sorted by a second TopK are the raster order.
"""

import onnx
from onnx import FunctionProto, NodeProto
from onnxscript import opset18 as op
from onnxscript import script

from segpp.export.custom_ops.functions import FUNCTIONS, Shapes
from segpp.export.custom_ops.functions._onnxscript import SEGPP, bypass, proto_of, with_part
from segpp.export.custom_ops.functions._windowed_match import near_match

__all__ = ["token_match"]

_FLOAT = onnx.TensorProto.FLOAT
_INT32 = onnx.TensorProto.INT32
_INT64 = onnx.TensorProto.INT64


@FUNCTIONS.register("SegppTokenMatch")
def token_match(nodes: list[NodeProto], _shapes: Shapes) -> FunctionProto:
    """Return the function: cells are compared in it only if a node of the file has a window.

    If every node has one, far destinations are not looked at; if only some have, they are hidden.
    """
    windowed = [any(a.name == "window" and a.i for a in node.attribute) for node in nodes]
    function = proto_of(SegppTokenMatch)
    if not any(windowed):
        return bypass(function, of="scores", to="similarity")
    return with_part(function, near_match) if all(windowed) else function


# ruff: noqa: N802 - the function's name is the operator's
# mypy: disable-error-code="no-untyped-def, operator, no-any-return, untyped-decorator"
# One body, not several helpers: onnxscript would make a function of each helper, and TensorRT
# looks functions up by name alone.
@script(SEGPP, default_opset=op)
def SegppTokenMatch(  # noqa: PLR0915, PLR0917, ANN202 - onnxscript reads one flat body
    x,  # noqa: ANN001
    height: int,
    width: int,
    stride_y: int,
    stride_x: int,
    merged: int,
    window: int,
):
    """Run ``segpp.ops.match_reference``."""
    zero = op.Constant(value_int=0)
    one = op.Constant(value_int=1)
    h = op.Constant(value_int=height)
    w = op.Constant(value_int=width)
    sy = op.Constant(value_int=stride_y)
    sx = op.Constant(value_int=stride_x)
    rows = h / sy
    columns = w / sx
    tokens = h * w
    destinations = rows * columns
    sources = tokens - destinations
    kept = sources - op.Constant(value_int=merged)

    # Token of destination d.
    d = op.Range(zero, destinations, one)
    d_row = d / columns
    d_column = d - d_row * columns
    d_token = d_row * sy * w + d_column * sx

    # Token of source s, last source first: TopK prefers the lower index among equals, the contract
    # merges the lower index, so the higher one must stay. A band is a row of cells.
    s = sources - one - op.Range(zero, sources, one)
    band_sources = sy * w - columns
    band = op.Min(s / band_sources, rows)
    r = s - band * band_sources
    top_row = op.And(op.Less(band, rows), op.Less(r, w - columns))
    between = op.Max(sx - one, one)
    in_cells = columns * (sx - one)
    inside = op.Less(r, in_cells)
    stepped = (r / between) * sx + one + (r - (r / between) * between)
    top_column = op.Where(inside, stepped, r + columns)
    below_top = op.Where(op.Less(band, rows), columns, zero)
    s_token = band * sy * w + op.Where(top_row, top_column, r + below_top)

    # Place of token t in (sources, last first, then destinations).
    t = op.Range(zero, tokens, one)
    y = t / w
    column = t - y * w
    cell_y = y / sy
    cell_x = column / sx
    first_row = op.Equal(cell_y * sy, y)
    complete = op.And(op.Less(cell_y, rows), op.Less(cell_x, columns))
    on_lattice = op.And(first_row, op.Equal(cell_x * sx, column))
    is_destination = op.And(on_lattice, complete)
    in_row = op.Where(first_row, op.Min((column + sx - one) / sx, columns), columns)
    in_band = op.Where(op.Less(cell_y, rows), in_row, zero)
    before = op.Min(cell_y, rows) * columns + in_band
    d_place = sources + cell_y * columns + cell_x
    place = op.Where(is_destination, d_place, sources - one - t + before)

    # Cosines in FP32; a token without length has cosine zero with everything.
    wide = op.Cast(x, to=_FLOAT)
    length = op.ReduceL2(wide, op.Constant(value_ints=[2]))
    unit = wide / op.Where(length > 0.0, length, op.Constant(value_float=1.0))
    s_unit = op.Gather(unit, s_token, axis=1)
    d_unit = op.Gather(unit, d_token, axis=1)
    similarity = op.MatMul(s_unit, op.Transpose(d_unit, perm=[0, 2, 1]))
    cells_away = op.Constant(value_int=window)
    near = op.Where(op.Equal(cells_away, zero), tokens, cells_away)
    s_row = s_token / w
    apart_y = op.Abs(op.Unsqueeze(s_row / sy, one) - op.Unsqueeze(d_row, zero))
    apart_x = op.Abs(op.Unsqueeze((s_token - s_row * w) / sx, one) - op.Unsqueeze(d_column, zero))
    is_near = op.LessOrEqual(op.Max(apart_y, apart_x), near)
    # Below every cosine.
    scores = op.Where(is_near, similarity, op.Constant(value_float=-4.0))
    best = op.ArgMax(scores, axis=2, keepdims=0)
    score = op.ReduceMax(scores, op.Constant(value_ints=[2]), keepdims=0)

    # The sources that stay have the lowest scores. One more entry is selected than stays, so that
    # nothing is empty when all sources merge; it becomes ``tokens``, one past the last.
    batch = op.Shape(x, start=0, end=1)
    one_each = op.Concat(batch, op.Constant(value_ints=[1]), axis=0)
    above_all = op.Expand(op.Constant(value_float=4.0), one_each)
    count = op.Reshape(kept + one, op.Constant(value_ints=[1]))
    _lowest, lowest_index = op.TopK(
        op.Concat(score, above_all, axis=1), count, axis=1, largest=0, sorted=1
    )
    past_last = op.Reshape(tokens, op.Constant(value_ints=[1]))
    stays = op.Gather(op.Concat(s_token, past_last, axis=0), lowest_index, axis=0)
    rank = op.Range(zero, kept + one, one)
    stays_or_past = op.Where(op.Less(rank, kept), stays, past_last)
    raster, _raster_index = op.TopK(
        op.Cast(stays_or_past, to=_FLOAT), count, axis=1, largest=0, sorted=1
    )

    d_slots = op.Expand(kept + d, op.Concat(batch, op.Shape(d), axis=0))
    by_place = op.Concat(kept + best, d_slots, axis=1)
    if_all_merge = op.Gather(by_place, place, axis=1)
    spare = op.Expand(zero, one_each)
    slot_and_spare = op.ScatterElements(
        op.Concat(if_all_merge, spare, axis=1),
        op.Cast(raster, to=_INT64),
        op.Expand(rank, op.Shape(raster)),
        axis=1,
    )
    first = op.Constant(value_ints=[0])
    return op.Cast(
        op.Slice(slot_and_spare, first, past_last, op.Constant(value_ints=[1])), to=_INT32
    )
