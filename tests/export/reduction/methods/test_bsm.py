"""bsm against tomesd, which nobody here wrote, and its limits.

Tests reduction/methods/bsm.py and reduction/assignments/bipartite_assignment.py.
"""

import pytest
import tomesd.merge
import torch
from torch import Tensor

from segpp.errors import ReductionError
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.ops.grid import Grid

GRIDS = [Grid(4, 4), Grid(7, 5), Grid(33, 47), Grid(34, 60), Grid(64, 128)]
SETTINGS = [
    BipartiteSoftMatching(0.5, 2, 2),
    BipartiteSoftMatching(0.6, 2, 2),  # SegFormer++ HQ, stages 1 and 2
    BipartiteSoftMatching(0.75, 2, 2),  # all sources, where the sides are even
    BipartiteSoftMatching(0.8, 4, 4),  # SegFormer++ HQ, stages 3 and 4
    BipartiteSoftMatching(0.9, 4, 4),  # SegFormer++ fast
    BipartiteSoftMatching(0.3, 1, 2),
]


def spelled(settings: BipartiteSoftMatching) -> str:
    return settings.to_string()


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("settings", SETTINGS, ids=spelled)
def test_merges_what_tomesd_merges(settings: BipartiteSoftMatching, grid: Grid, batch: int) -> None:
    generator = torch.Generator().manual_seed(grid.tokens)
    x = torch.randn(batch, grid.tokens, 32, generator=generator)
    merge, unmerge = tomesd.merge.bipartite_soft_matching_random2d(
        x,
        grid.width,
        grid.height,
        settings.sx,
        settings.sy,
        int(grid.tokens * settings.ratio),
        no_rand=True,
    )

    assignment = settings.match(x, grid)
    ours = assignment.merge(x)

    theirs = merge(x)
    assert ours.shape == theirs.shape
    assert torch.equal(groups(assignment.unmerge, ours), groups(unmerge, theirs))
    assert (sorted_rows(ours) - sorted_rows(theirs)).abs().max() <= 1e-5
    assert (assignment.unmerge(ours) - unmerge(theirs)).abs().max() <= 1e-5


def groups(unmerge: object, merged: Tensor) -> Tensor:
    """Return for every token the first token that shares its slot: the merged sets."""
    numbers = torch.arange(merged.shape[1], dtype=torch.float32).expand(merged.shape[:2])
    slot = unmerge(numbers[:, :, None])[:, :, 0].long()  # type: ignore[operator]  # either library's
    tokens = torch.arange(slot.shape[1]).expand(slot.shape)
    first = torch.full(merged.shape[:2], slot.shape[1])
    return first.scatter_reduce(1, slot, tokens, "amin").gather(1, slot)


def sorted_rows(rows: Tensor) -> Tensor:
    """Return the rows of each image in the order of their first entry: slot order is free."""
    order = rows[:, :, 0].argsort(1)
    return rows.gather(1, order[:, :, None].expand(rows.shape))


def test_never_merges_more_than_there_are_sources() -> None:
    settings = BipartiteSoftMatching(0.9, 2, 2)

    # 16 x 32 tokens in 2 x 2 cells: 128 destinations stay whatever is asked for.
    assert settings.tokens_out(Grid(16, 32)) == 128


def test_counts_truncate_like_the_reference() -> None:
    # 0.6 of 512 is 307.2.
    assert BipartiteSoftMatching(0.6, 2, 2).tokens_out(Grid(16, 32)) == 512 - 307


def test_a_token_without_length_is_merged_and_nothing_becomes_nan() -> None:
    x = torch.randn(1, 64, 8, generator=torch.Generator().manual_seed(0))
    x[:, ::3] = 0

    assignment = BipartiteSoftMatching(0.5, 2, 2).match(x, Grid(8, 8))

    assert assignment.unmerge(assignment.merge(x)).isfinite().all()


@pytest.mark.parametrize("ratio", [1.0, 1.5, -0.1, float("nan")])
def test_a_ratio_outside_its_range_is_an_error(ratio: float) -> None:
    with pytest.raises(ReductionError, match=r"ratio must lie in \[0, 1\)"):
        BipartiteSoftMatching(ratio)


@pytest.mark.parametrize(("sy", "sx"), [(0, 2), (1, 1), (2, -1)])
def test_a_cell_without_a_source_is_an_error(sy: int, sx: int) -> None:
    with pytest.raises(ReductionError, match=f"cells of {sy}x{sx} tokens"):
        BipartiteSoftMatching(0.5, sy, sx)


def test_a_grid_smaller_than_a_cell_is_an_error() -> None:
    with pytest.raises(ReductionError, match="cells of 4x4 does not fit a grid of 2x8"):
        BipartiteSoftMatching(0.5, 4, 4).check_fits(Grid(2, 8))
