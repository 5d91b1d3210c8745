"""The reduction that docs/extending.md writes out works as it says, by being registered."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from segpp.export.reduction import REDUCTIONS, TokenReduction
from segpp.ops.grid import Grid

PAGE = Path(__file__).resolve().parents[3] / "docs" / "extending.md"


@pytest.fixture
def row_pairs() -> Iterator[TokenReduction]:
    [code] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    known = set(REDUCTIONS)
    exec(compile(code, PAGE.name, "exec"), {"__name__": "example"})  # noqa: S102 - the page's own lines
    [name] = set(REDUCTIONS) - known
    yield REDUCTIONS[name].parse("")
    del REDUCTIONS._members[name]


@pytest.mark.parametrize(("grid", "left"), [(Grid(4, 3), 6), (Grid(5, 2), 6), (Grid(2, 1), 1)])
def test_the_example_averages_pairs_of_rows(
    row_pairs: TokenReduction, grid: Grid, left: int
) -> None:
    x = torch.arange(float(grid.tokens)).reshape(1, grid.tokens, 1)

    row_pairs.check_fits(grid)
    assignment = row_pairs.match(x, grid)
    merged = assignment.merge(x)

    assert merged.shape == (1, left, 1)
    assert row_pairs.tokens_out(grid) == left
    first_pair = x[0, [0, grid.width] if grid.height > 1 else [0]].mean()
    assert merged[0, 0] == first_pair
    assert assignment.unmerge(merged).shape == x.shape
