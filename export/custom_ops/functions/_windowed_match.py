"""The part of SegppTokenMatch that finds destinations, for a file in which every match is windowed.

Tokens are laid out cell by cell, so that the tokens of a cell and the few destinations around it
are one small product: with a window of one cell, 9 comparisons in place of hundreds.
"""

from onnxscript import opset18 as op
from onnxscript import script

from segpp.export.custom_ops.functions._onnxscript import SEGPP

__all__ = ["near_match"]


# mypy: disable-error-code="no-untyped-def, operator, no-any-return, untyped-decorator"
@script(SEGPP, default_opset=op)
def near_match(  # noqa: PLR0915, PLR0917, ANN202 - onnxscript reads one flat body
    unit,  # noqa: ANN001
    s_token,  # noqa: ANN001
    height: int,
    width: int,
    stride_y: int,
    stride_x: int,
    window: int,
):
    """Return each source's best destination and its cosine, (B, S) both."""
    zero = op.Constant(value_int=0)
    one = op.Constant(value_int=1)
    h = op.Constant(value_int=height)
    w = op.Constant(value_int=width)
    sy = op.Constant(value_int=stride_y)
    sx = op.Constant(value_int=stride_x)
    near = op.Constant(value_int=window)
    rows = h / sy
    columns = w / sx
    # Cells cut by an edge are completed with copies of the outermost tokens; nobody asks for those.
    all_columns = (w + sx - one) / sx
    cells = (h + sy - one) / sy * all_columns
    area = sy * sx

    # Token of every place, cell by cell.
    place = op.Range(zero, cells * area, one)
    place_cell = place / area
    place_row = place_cell / all_columns
    inner = place - place_cell * area
    y = op.Min(place_row * sy + inner / sx, h - one)
    x = op.Min((place_cell - place_row * all_columns) * sx + (inner - inner / sx * sx), w - one)
    by_cell = op.Gather(unit, y * w + x, axis=1)
    minus_one = op.Constant(value_ints=[-1])
    in_line = op.Constant(value_ints=[1])
    batch = op.Shape(unit, start=0, end=1)
    cells_area = op.Concat(op.Reshape(cells, in_line), op.Reshape(area, in_line), axis=0)
    tokens = op.Reshape(by_cell, op.Concat(batch, cells_area, minus_one, axis=0))

    # Destinations around every cell, in the order of their index: (cells, around).
    cell = op.Range(zero, cells, one)
    cell_row = cell / all_columns
    side = near + near + one
    around = op.Range(zero, side * side, one)
    around_row = around / side
    d_row = op.Unsqueeze(cell_row, one) + around_row - near
    d_column = (
        op.Unsqueeze(cell - cell_row * all_columns, one) + (around - around_row * side) - near
    )
    row_exists = op.And(op.GreaterOrEqual(d_row, zero), op.Less(d_row, rows))
    column_exists = op.And(op.GreaterOrEqual(d_column, zero), op.Less(d_column, columns))
    exists = op.And(row_exists, column_exists)
    d_y = op.Min(op.Max(d_row, zero), rows - one) * sy
    d_x = op.Min(op.Max(d_column, zero), columns - one) * sx
    neighbours = op.Gather(unit, d_y * w + d_x, axis=1)

    cosines = op.MatMul(tokens, op.Transpose(neighbours, perm=[0, 1, 3, 2]))
    # Below every cosine.
    scores = op.Where(op.Unsqueeze(exists, one), cosines, op.Constant(value_float=-4.0))
    flat = op.Concat(batch, minus_one, axis=0)
    choice = op.Reshape(op.ArgMax(scores, axis=3, keepdims=0), flat)
    highest = op.Reshape(op.ReduceMax(scores, op.Constant(value_ints=[3]), keepdims=0), flat)
    choice_row = choice / side
    chosen_row = place_row + choice_row - near
    chosen_column = place_cell - place_row * all_columns + (choice - choice_row * side) - near

    s_y = s_token / w
    s_x = s_token - s_y * w
    s_row = s_y / sy
    s_column = s_x / sx
    s_inner = (s_y - s_row * sy) * sx + s_x - s_column * sx
    s_place = (s_row * all_columns + s_column) * area + s_inner
    best = op.Gather(chosen_row * columns + chosen_column, s_place, axis=1)
    score = op.Gather(highest, s_place, axis=1)
    return best, score
