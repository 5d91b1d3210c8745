"""What a smaller grid is and what arrives on it, known from numbers alone.

Tests models/_common/block_tokens.py too.
"""

import pytest

from segpp.errors import ReductionError
from segpp.export.models._common.block_tokens import block_tokens
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.models.segformer.sites import site_grids
from segpp.export.onnx_graph.cleanup import clean
from segpp.export.onnx_graph.trace import trace
from segpp.export.reduction.assignments.grid_pool import AreaPool
from segpp.export.reduction.config import count_tokens
from segpp.export.reduction.grid_reduction import runs_of
from segpp.export.reduction.methods.area import AreaGrid
from segpp.export.reduction.sites import HEAD, Site
from segpp.manifest import ReductionSite
from segpp.ops.grid import Grid, Size

torch = pytest.importorskip("torch")

CAMERA = Size(352, 480)


def sites(
    *reduce: str, size: Size = CAMERA, depths: tuple[int, ...] = (2, 2, 2, 2), every: int = 1
) -> tuple[ReductionSite, ...]:
    config = reduction_config(reduce=reduce)
    return count_tokens(config, site_grids(size, config), depths=depths, match_interval=every)


@pytest.mark.parametrize(
    ("share", "grid", "smaller"),
    [
        (0.5, Grid(22, 30), Grid(11, 15)),
        (0.5, Grid(11, 15), Grid(6, 8)),
        (0.333333, Grid(66, 90), Grid(22, 30)),
        (0.25, Grid(10, 9), Grid(3, 2)),
        (0.75, Grid(22, 30), Grid(17, 23)),
        (0.01, Grid(11, 15), Grid(1, 1)),
        (0.5, Grid(1, 7), Grid(1, 4)),
    ],
    ids=str,
)
def test_an_axis_is_rounded_to_the_nearest_half_upwards(
    share: float, grid: Grid, smaller: Grid
) -> None:
    assert AreaGrid(share).grid_out(grid) == smaller
    AreaGrid(share).check_fits(grid)


def test_a_share_that_makes_nothing_smaller_is_told_what_would() -> None:
    with pytest.raises(ReductionError, match=r"0\.9 does not fit a grid of 5x4 tokens\n.* least 6"):
        AreaGrid(0.9).check_fits(Grid(5, 4))

    AreaGrid(0.9).check_fits(Grid(6, 4))


def test_a_token_on_a_border_counts_for_both_cells() -> None:
    column = torch.tensor([[[1.0], [10.0], [100.0]]])

    cells = AreaPool(Grid(3, 1), Grid(2, 1)).merge(column)

    # Cells of one and a half tokens.
    assert cells.flatten().tolist() == pytest.approx([(1 + 5) / 1.5, (5 + 100) / 1.5])


class Around(torch.nn.Module):
    """To cells and back, as a module that can be exported."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cells = AreaPool(Grid(88, 120), Grid(66, 90))
        return cells.unmerge(cells.merge(x))


def test_a_large_matrix_of_shares_is_a_constant_in_the_file() -> None:
    # TensorRT-RTX refuses the arithmetic on whole numbers that would make it.
    graph = clean(trace(Around().eval(), torch.zeros(1, 88 * 120, 4), names=("x", "y"))).graph

    found = {node.op_type for node in graph.node}
    assert found <= {"MatMul", "Reshape", "Transpose", "Resize"}


@pytest.mark.parametrize(
    ("first", "every", "runs"),
    [
        (1, 0, ((True, 6),)),
        (3, 0, ((False, 2), (True, 4))),
        (1, 3, ((True, 2), (False, 1), (True, 2), (False, 1))),
        (2, 2, ((False, 1), (True, 1), (False, 1), (True, 1), (False, 1), (True, 1))),
    ],
)
def test_blocks_run_as_first_and_every_say(
    first: int, every: int, runs: tuple[tuple[bool, int], ...]
) -> None:
    assert runs_of(AreaGrid(0.5, first, every), 6) == runs
    assert runs_of(None, 6) == ((False, 6),)


# --- what arrives at the attention


def test_attention_is_told_as_on_the_smaller_grid() -> None:
    grid, q, kv, head = sites(
        "3.q=bsm:ratio=0.8,sy=4,sx=4", "3.kv=n2d", "3.grid=area", "head.grid=area"
    )

    assert (grid.side, grid.grid, grid.tokens_in, grid.tokens_out) == ("grid", (22, 30), 660, 165)
    assert (q.side, q.grid, q.tokens_in, q.tokens_out) == ("q", (11, 15), 165, 165 - 132)
    # The spatial reduction halves 11x15 to 5x7, and cells of 2x2 leave 3x4.
    assert (kv.side, kv.grid, kv.tokens_in, kv.tokens_out) == ("kv", (5, 7), 35, 12)
    assert (head.stage, head.side, head.tokens_in, head.tokens_out) == (HEAD, "grid", 10560, 2640)


def test_only_what_matches_shares_its_matches() -> None:
    grid, q = sites("3.q=bsm", "3.grid=area", every=2)

    assert (grid.match_every, q.match_every) == (1, 2)


def test_blocks_on_the_full_grid_use_the_same_settings_there() -> None:
    reduce = ("3.q=bsm:ratio=0.8,sy=4,sx=4", "3.grid=area:share=0.5,every=3")
    told = sites(*reduce, depths=(1, 1, 6, 1), every=2)

    small, full = block_tokens(site_grids, 6, CAMERA, told, 3)

    assert (small.runs, small.blocks, small.grid, small.context) == (
        (2, 2),
        4,
        Grid(11, 15),
        Grid(5, 7),
    )
    assert (full.runs, full.blocks, full.grid, full.context) == (
        (1, 1),
        2,
        Grid(22, 30),
        Grid(11, 15),
    )
    assert (small.queries, small.keys) == (165 - 132, 35)
    assert (full.queries, full.keys) == (660 - 528, 165)
    # A match serves two blocks, but none of another grid or behind one.
    assert (small.matches(told[1]), full.matches(told[1])) == (2, 2)


def test_without_a_smaller_grid_all_blocks_are_alike() -> None:
    [only] = block_tokens(site_grids, 3, CAMERA, sites("3.q=bsm:ratio=0.8,sy=4,sx=4"), 3)

    assert (only.runs, only.queries, only.keys) == ((3,), 132, 165)


# --- what does not fit


@pytest.mark.parametrize(
    ("reduce", "size", "problem"),
    [
        ("3.grid=area:first=3", CAMERA, "stage 3, grid: area cannot begin at block 3 of 2\n"),
        ("1.grid=area", Size(56, 96), "stage 1, grid: 7x12 tokens of 14x24 are too few for keys"),
        ("4.grid=area", Size(32, 32), "stage 4, grid: area with a share of 0.5 does not fit a "),
        ("head.grid=area:share=0.95", Size(32, 32), "head, grid: area with a share of 0.95 does"),
        (
            "4.grid=area 4.q=bsm:sy=4,sx=4",
            Size(160, 160),
            "stage 4, q: bsm with cells of 4x4 does not fit a grid of 3x3 tokens",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_its_site(reduce: str, size: Size, problem: str) -> None:
    with pytest.raises(ReductionError) as failure:
        sites(*reduce.split(), size=size)

    assert str(failure.value).startswith(problem)
    assert "hint: " in str(failure.value)


def test_a_grid_as_small_as_its_keys_allow_works() -> None:
    # 8x12 tokens hold one window of the first stage's spatial reduction.
    grids = site_grids(Size(64, 96), reduction_config(reduce=["1.grid=area"]))

    assert (grids[Site(1, "q")], grids[Site(1, "kv")]) == (Grid(8, 12), Grid(1, 1))
