"""What every token reduction promises; a new file in the folder is tested by being there.

Tests reduction/base.py.
"""

from typing import get_args

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from segpp.errors import ReductionError
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.onnx_graph.lint import lint
from segpp.export.onnx_graph.trace import trace
from segpp.export.reduction import REDUCTIONS, TokenReduction
from segpp.export.reduction.sites import Side
from segpp.ops.grid import Grid

# What decides by weights of a checkpoint sees no tokens: models/vit/cts tests it with its network.
DECIDING = [name for name, method in REDUCTIONS.items() if not method.is_trained]
GRIDS = [Grid(4, 4), Grid(16, 32), Grid(7, 5), Grid(33, 47)]


def tokens(grid: Grid, *, batch: int = 2, channels: int = 8) -> Tensor:
    return torch.randn(
        batch, grid.tokens, channels, generator=torch.Generator().manual_seed(grid.tokens)
    )


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("name", DECIDING)
def test_counts_are_known_before_any_token_is_seen(name: str, grid: Grid) -> None:
    settings = REDUCTIONS[name]()
    x = tokens(grid)

    assignment = settings.match(x, grid)
    merged = assignment.merge(x)

    assert merged.shape == (2, settings.tokens_out(grid), 8)
    assert assignment.unmerge(merged).shape == x.shape
    assert settings.tokens_out(grid) < grid.tokens


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_what_looks_at_the_tokens_says_how_many_it_compares(name: str, grid: Grid) -> None:
    settings = REDUCTIONS[name]()

    assert (settings.compared_pairs(grid) > 0) is settings.is_content_based
    assert settings.destinations(grid) <= settings.tokens_out(grid)


@pytest.mark.parametrize("name", DECIDING)
def test_equal_tokens_survive_merging_unchanged(name: str) -> None:
    grid = Grid(7, 5)
    x = torch.full((1, grid.tokens, 4), 0.5)

    assignment = REDUCTIONS[name]().match(x, grid)

    # Means over parts of tokens have weights that sum to one up to their rounding.
    rounding = 8 * 2.0**-24 * 0.5 if REDUCTIONS[name].sides == ("grid",) else 0.0
    assert (assignment.unmerge(assignment.merge(x)) - x).abs().max() <= rounding


@pytest.mark.parametrize("name", DECIDING)
def test_images_of_a_batch_do_not_touch_each_other(name: str) -> None:
    grid = Grid(7, 5)
    x = tokens(grid)

    def restored(batch: Tensor) -> Tensor:
        assignment = REDUCTIONS[name]().match(batch, grid)
        return assignment.unmerge(assignment.merge(batch))

    # The batched product may sum in another order: 8 products of values below 5.
    assert (restored(x)[1:] - restored(x[1:])).abs().max() <= 8 * 2.0**-24 * 25


@pytest.mark.parametrize("grid", [Grid(16, 32), Grid(7, 5)], ids=str)
@pytest.mark.parametrize("name", DECIDING)
def test_the_exported_graph_computes_what_torch_computes(name: str, grid: Grid) -> None:
    model = exported(REDUCTIONS[name](), grid)
    x = tokens(grid, batch=1)
    assignment = REDUCTIONS[name]().match(x, grid)

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [found] = session.run(None, {"x": x.numpy()})

    # A mean of at most all 512 tokens, each below 5.
    expected = assignment.unmerge(assignment.merge(x)).numpy()
    assert np.abs(found - expected).max() <= grid.tokens * 2.0**-24 * 5


@pytest.mark.parametrize("name", DECIDING)
def test_the_exported_graph_breaks_no_rule_of_its_targets(name: str) -> None:
    assert lint(exported(REDUCTIONS[name](), Grid(16, 32))) == []


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_grid_too_small_is_an_error_that_names_grid_and_limit(name: str) -> None:
    with pytest.raises(ReductionError, match=r"does not fit a grid of 1x1 tokens\n.* at least"):
        REDUCTIONS[name]().check_fits(Grid(1, 1))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_settings_spelled_out_are_read_back(name: str) -> None:
    settings = REDUCTIONS[name]()

    assert REDUCTIONS[name].parse(settings.to_string().partition(":")[2]) == settings


@pytest.mark.parametrize("name", REDUCTIONS)
def test_an_unknown_key_is_an_error_that_lists_the_known_ones(name: str) -> None:
    known = ", ".join(sorted(REDUCTIONS[name].keys()))

    with pytest.raises(ReductionError, match=f"unknown key of {name} 'colour'\n  known: {known}"):
        REDUCTIONS[name].parse("colour=3")


@pytest.mark.parametrize("name", REDUCTIONS)
def test_sides_are_sides_of_a_site(name: str) -> None:
    assert REDUCTIONS[name].sides
    assert set(REDUCTIONS[name].sides) <= set(get_args(Side))


class Around(nn.Module):
    """Merge and unmerge at once, as a module that can be exported."""

    def __init__(self, settings: TokenReduction, grid: Grid) -> None:
        super().__init__()
        self.settings, self.grid = settings, grid

    def forward(self, x: Tensor) -> Tensor:
        assignment = self.settings.match(x, self.grid)
        return assignment.unmerge(assignment.merge(x))


def exported(settings: TokenReduction, grid: Grid) -> onnx.ModelProto:
    module = Around(settings, grid).eval()
    return clean(trace(module, tokens(grid, batch=1), names=("x", "y")))
