"""SegppTokenMatch as standard operators.

No NonZero, CumSum or full sort: destinations and sources follow from the strides in closed form,
the sources that *stay* are selected (fewer than those that merge, and within TensorRT's TopK limit
of 3,840 at every preset), and their indices sorted by a second TopK are the raster order.

With N = h * w tokens, D destinations, one in the corner of every complete cell of sy x sx tokens,
S = N - D sources, and k = S - merged sources that stay:

1. The token of every destination (D), and of every source, last source first (S).
2. The place of every token in the list (sources, destinations), to get back at the end (N).
3. The cosine of every source with every destination (B, S, D), and each source's best (B, S).
4. The k sources with the lowest best, in raster order (B, k).
5. Slots: 0 to k - 1 for the sources that stay, k + d for destination d and what merges into it.

Source of the method: Bolya & Hoffman, Token Merging for Fast Stable Diffusion, 2023
(arXiv:2303.17604), section 3; the contract is ``segpp.ops.match_reference``.
"""

import onnx
from onnx import FunctionProto
from onnxscript import opset18 as op
from onnxscript import script

from segpp.export.custom_ops.functions import FUNCTIONS, OperatorUses
from segpp.export.custom_ops.functions._onnxscript import (
    SEGPP,
    bypass_value,
    replace_subgraph,
    to_function_proto,
)
from segpp.export.custom_ops.functions._windowed_match import windowed_match
from segpp.ops.grid import Grid
from segpp.ops.partition import BipartitePartition

__all__ = ["token_match"]

_FLOAT = onnx.TensorProto.FLOAT
_INT32 = onnx.TensorProto.INT32
_INT64 = onnx.TensorProto.INT64


@FUNCTIONS.register("SegppTokenMatch")
def token_match(uses: OperatorUses) -> FunctionProto:
    """Return the function: cells are compared in it only if a node of the file has a window.

    If every node has one, far destinations are not looked at; if only some have, or windows are so
    wide that looking at all of them is less work, they are hidden.
    """
    function = to_function_proto(SegppTokenMatch)
    if not uses.any_has("window"):
        return bypass_value(function, of="scores", to="similarity")
    is_windowed = uses.all_have("window") and _windows_save(uses)
    return replace_subgraph(function, windowed_match) if is_windowed else function


def _windows_save(uses: OperatorUses) -> bool:
    """Return whether windows take fewer comparisons than all pairs, places off the grid included.

    A window of w cells has (2 w + 1)^2 places, of which the function gathers every one.
    """
    in_windows = in_all = 0
    for node in uses.nodes:
        at = {attribute.name: attribute.i for attribute in node.attribute}
        if not {"height", "width", "stride_y", "stride_x"} <= at.keys():
            continue
        grid = Grid(at["height"], at["width"])
        partition = BipartitePartition(grid, at["stride_y"], at["stride_x"])
        in_windows += grid.tokens * (2 * at["window"] + 1) ** 2
        in_all += partition.num_sources * partition.cells.tokens
    return in_windows <= in_all or not in_all


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
    """Run ``segpp.ops.match_reference``: tokens x (B, N, C) to slots (B, N) INT32."""
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

    # 1. Token of destination d, the first of its cell. All of the following have the shape (D).
    d = op.Range(zero, destinations, one)
    d_row = d / columns
    d_column = d - d_row * columns
    d_token = d_row * sy * w + d_column * sx

    # Token of source s (S), last source first: TopK prefers the lower index among equals, the
    # contract merges the lower index, so the higher one must stay. A band is a row of cells: its
    # first row of tokens has a destination in every cell, the other sy - 1 rows are all sources.
    s = sources - one - op.Range(zero, sources, one)
    band_sources = sy * w - columns
    band = op.Min(s / band_sources, rows)
    r = s - band * band_sources
    # In the first row: sx - 1 sources in every cell, then the columns that no complete cell covers.
    top_row = op.And(op.Less(band, rows), op.Less(r, w - columns))
    between = op.Max(sx - one, one)
    in_cells = columns * (sx - one)
    inside = op.Less(r, in_cells)
    stepped = (r / between) * sx + one + (r - (r / between) * between)
    top_column = op.Where(inside, stepped, r + columns)
    below_top = op.Where(op.Less(band, rows), columns, zero)
    s_token = band * sy * w + op.Where(top_row, top_column, r + below_top)

    # 2. Place of token t (N) in the list (sources, last first, then destinations). A source's is
    #    found by counting the destinations before it: those of earlier bands and of its own.
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

    # 3. Cosines in FP32: (B, S, C) times (B, C, D). A token without length has cosine zero with
    #    everything. Where a window is set, destinations in cells further away are hidden.
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

    # 4. The sources that stay have the lowest scores. One more entry is selected than stays, so
    #    that nothing is empty when all sources merge; it becomes ``tokens``, one past the last.
    #    Sorted as FP32, which holds every token's number exactly up to 2**24: (B, k + 1).
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

    # 5. What every token would get if all merged (B, N), and over it, at the tokens that stay,
    #    their rank. The entry one past the last is written to a spare column, which is cut off.
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
