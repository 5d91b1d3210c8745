"""n1d and n2d: means of cells, edges, and the unmerged order of the reference.

Tests reduction/methods/n1d.py, reduction/methods/n2d.py, reduction/assignments/cells.py and
reduction/assignments/cell_means.py.
"""

import pytest
import torch
from torch.nn import functional as F

from segpp.errors import ReductionError
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.methods.n1d import Neighbor1d
from segpp.export.reduction.methods.n2d import Neighbor2d
from segpp.ops.grid import Grid
from tests.export.reduction.test_contract import exported


def test_n2d_averages_each_cell() -> None:
    x = torch.tensor([
        1.0, 2.0, 10.0, 20.0,
        3.0, 4.0, 30.0, 40.0,
    ]).view(1, 8, 1)  # fmt: skip

    merged = Neighbor2d(rows=2, cols=2).match(x, Grid(2, 4)).merge(x)

    assert merged.flatten().tolist() == [2.5, 25.0]


def test_n2d_divides_an_edge_cell_by_the_tokens_it_holds() -> None:
    x = torch.tensor([2.0, 4.0, 8.0]).view(1, 3, 1)

    merged = Neighbor2d(rows=1, cols=2).match(x, Grid(1, 3)).merge(x)

    assert merged.flatten().tolist() == [3.0, 8.0]


def test_n2d_restores_like_the_reference_when_the_side_does_not_divide() -> None:
    """Side 3 on 7 rows averages rows 0-2, 3-5 and 6, yet row 5 comes back as row 6."""
    x = torch.arange(7.0).view(1, 7, 1)
    assignment = Neighbor2d(rows=3, cols=1).match(x, Grid(7, 1))

    assert assignment.merge(x).flatten().tolist() == [1, 4, 6]
    assert assignment.unmerge(assignment.merge(x)).flatten().tolist() == [1, 1, 1, 4, 4, 6, 6]


@pytest.mark.parametrize("side", [2, 3, 4, 5])
@pytest.mark.parametrize("grid", [Grid(8, 8), Grid(7, 5), Grid(34, 60), Grid(33, 47)], ids=str)
def test_n2d_equals_pooling_and_nearest_resizing_of_torch(side: int, grid: Grid) -> None:
    x = torch.randn(2, grid.tokens, 3, generator=torch.Generator().manual_seed(side))
    image = x.transpose(1, 2).reshape(2, 3, grid.height, grid.width)
    means = F.avg_pool2d(image, side, ceil_mode=True)
    restored = F.interpolate(means, (grid.height, grid.width), mode="nearest")

    assignment = Neighbor2d(side, side).match(x, grid)

    # A mean of at most 25 values below 5.
    tolerance = 25 * 2.0**-24 * 5
    merged = assignment.merge(x)
    assert (merged - means.flatten(2).transpose(1, 2)).abs().max() <= tolerance
    assert (
        assignment.unmerge(merged) - restored.flatten(2).transpose(1, 2)
    ).abs().max() <= tolerance


@pytest.mark.parametrize("length", [2, 3, 7])
def test_n1d_equals_pooling_and_nearest_resizing_of_torch(length: int) -> None:
    grid = Grid(5, 7)
    x = torch.randn(2, grid.tokens, 3, generator=torch.Generator().manual_seed(length))
    means = F.avg_pool1d(x.transpose(1, 2), length, ceil_mode=True)
    restored = F.interpolate(means, grid.tokens, mode="nearest")

    assignment = Neighbor1d(length).match(x, grid)

    tolerance = 7 * 2.0**-24 * 5
    merged = assignment.merge(x)
    assert (merged - means.transpose(1, 2)).abs().max() <= tolerance
    assert (assignment.unmerge(merged) - restored.transpose(1, 2)).abs().max() <= tolerance


def test_n1d_merges_queries_only() -> None:
    assert Neighbor1d.sides == ("q",)


@pytest.mark.parametrize("length", [1, 0, -2])
def test_a_run_of_one_token_is_an_error(length: int) -> None:
    with pytest.raises(ReductionError, match=f"cells of 1x{length} tokens"):
        Neighbor1d(length)


@pytest.mark.parametrize("how", [Neighbor2d(3, 3), Neighbor1d(3)], ids=TokenReduction.to_string)
def test_a_large_grid_that_cells_do_not_divide_leaves_no_arithmetic_in_the_file(
    how: TokenReduction,
) -> None:
    # As in the first stage of 1024x1000; TensorRT-RTX cannot compile it, and has no GatherND.
    graph = exported(how, Grid(256, 250)).graph

    found = {node.op_type for node in graph.node}
    assert found <= {
        "AveragePool", "Expand", "Gather", "Mul", "Pad", "Reshape", "Transpose", "Unsqueeze",
    }  # fmt: skip
