"""Neighbours that are alike become one, against the definition written out token by token.

Tests reduction/methods/similarity.py and reduction/matching/neighbor_match.py, and
reduction/assignments/line_pairs.py and reduction/assignments/running_sums.py.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from segpp.errors import CheckError, ReductionError
from segpp.export.custom_ops.torch_ops import MatchSettings, matching_by, plain_match
from segpp.export.models.cost_model import site_costs
from segpp.export.models.segformer.architecture import Numerics, segformer
from segpp.export.models.segformer.macs import macs_of
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.models.segformer.sites import site_grids
from segpp.export.parity.replay_matches import MatchReplay
from segpp.export.reduction.config import count_tokens, recorded_config
from segpp.export.reduction.methods.similarity import SimilarityGrid
from segpp.export.reduction.sites import HEAD, Site
from segpp.manifest import ReductionSite
from segpp.ops.grid import Grid, Size
from tests.export.reduction.test_contract import exported, tokens
from tests.helpers.checkpoints import MINIATURE

Array = NDArray[Any]

GRIDS = [Grid(4, 6), Grid(7, 5), Grid(9, 12), Grid(1, 7), Grid(6, 1), Grid(3, 2)]
CASES = [
    SimilarityGrid(),
    SimilarityGrid(0.75),
    SimilarityGrid(0.6, value="max"),
    SimilarityGrid(0.5, value="max"),
]


# --- the definition, for one line at a time


def cosine(a: Array, b: Array) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def slots_by_definition(line: Array, slots: int) -> list[list[int]]:
    """Return the members of each slot of a line (n, C), in order."""
    best = {}
    for token in range(1, len(line), 2):
        beside = [other for other in (token - 1, token + 1) if other < len(line)]
        scores = [cosine(line[token], line[other]) for other in beside]
        best[token] = max(scores), beside[int(np.argmax(scores))]
    merging = sorted(best, key=lambda token: -best[token][0])[: len(line) - slots]
    into = {token: best[token][1] if token in merging else token for token in best}
    members: dict[int, list[int]] = {}
    for token in range(len(line)):
        members.setdefault(into.get(token, token), []).append(token)
    return sorted(members.values())


def merged_by_definition(members: list[list[int]], line: Array, how: SimilarityGrid) -> Array:
    def one(rows: Array) -> Array:
        if how.value == "mean":
            return np.asarray(rows.mean(0))
        return np.take_along_axis(rows, np.abs(rows).argmax(0)[None], 0)[0]

    return np.stack([one(line[rows]) for rows in members])


def along(lines: Array, slots: int, how: SimilarityGrid) -> tuple[Array, list[list[list[int]]]]:
    every = [
        slots_by_definition(line, slots) if slots < len(line) else [[t] for t in range(len(line))]
        for line in lines
    ]
    pairs = zip(every, lines, strict=True)
    return np.stack([merged_by_definition(members, line, how) for members, line in pairs]), every


def by_definition(x: Array, grid: Grid, how: SimilarityGrid) -> tuple[Array, Array]:
    """Return the smaller grid of tokens (N, C), and what every token gets of it."""
    small, image = how.grid_out(grid), x.reshape(grid.height, grid.width, -1)
    narrow, rows = along(image, small.width, how)
    columns_first, columns = along(narrow.swapaxes(0, 1), small.height, how)
    restored = np.empty_like(image)
    for column, members in enumerate(columns):
        for row, tall in enumerate(members):
            for line in tall:
                restored[line, rows[line][column]] = columns_first[column, row]
    return columns_first.swapaxes(0, 1).reshape(small.tokens, -1), restored.reshape(x.shape)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("how", CASES, ids=SimilarityGrid.to_string)
def test_neighbors_merge_as_the_definition_says(how: SimilarityGrid, grid: Grid) -> None:
    x = tokens(grid, batch=2)

    assignment = how.match(x, grid)
    merged = assignment.merge(x)
    restored = assignment.unmerge(merged)

    wanted = [by_definition(one.double().numpy(), grid, how) for one in x]
    assert np.abs(merged.numpy() - np.stack([small for small, _ in wanted])).max() <= 1e-5
    assert np.abs(restored.numpy() - np.stack([back for _, back in wanted])).max() <= 1e-5


def test_with_half_of_an_even_axis_a_token_still_chooses_its_neighbor() -> None:
    line = torch.tensor([[1.0, 0.0], [0.1, 1.0], [0.0, 1.0], [1.0, 0.1]])[None]

    assignment = SimilarityGrid().match(line, Grid(1, 4))

    # The second goes with the third, and the fourth has no neighbour but that.
    expected = [[1.0, 0.0], [1.1 / 3, 2.1 / 3]]
    assert assignment.merge(line)[0].tolist() == [pytest.approx(row) for row in expected]


def test_rows_and_columns_that_are_alike_merge_and_others_stay() -> None:
    # Columns 2 and 3 are alike, and so are rows 0 and 1; all others differ.
    corners = torch.eye(12).reshape(3, 4, 12)
    image = torch.stack([corners[row] for row in (0, 0, 1, 2)])[:, [0, 1, 2, 2]]

    assignment = SimilarityGrid(0.75).match(image.reshape(1, 16, 12), Grid(4, 4))
    merged = assignment.merge(image.reshape(1, 16, 12))

    assert torch.equal(merged.reshape(3, 3, 12), corners[:, :3])
    assert torch.equal(assignment.unmerge(merged).reshape(4, 4, 12), image)


def test_a_line_of_one_kind_merges_from_its_beginning() -> None:
    x = torch.ones(1, 8, 3) * torch.arange(1.0, 9.0)[:, None]

    merged = SimilarityGrid(0.75).match(x, Grid(1, 8)).merge(x)

    # Equal cosines: the first sources merge, into the neighbour before them.
    assert merged[0, :, 0].tolist() == [1.5, 3.5, 5, 6, 7, 8]


# --- what it leads to in a file


def test_merging_twice_the_same_tokens_is_matched_once() -> None:
    model = exported(SimilarityGrid(), Grid(7, 5))

    nodes = Counter(node.op_type for node in model.graph.node)
    assert nodes["SegppTokenMatch"] == nodes["SegppTokenUnmerge"] == 2
    # Rows and columns, a product each.
    assert nodes["MatMul"] == 2


def recorded(x: Tensor, grid: Grid) -> list[tuple[MatchSettings, Tensor]]:
    kept: list[tuple[MatchSettings, Tensor]] = []

    def keep(tokens: Tensor, settings: MatchSettings) -> Tensor:
        kept.append((settings, plain_match(tokens, settings)))
        return kept[-1][1]

    with matching_by(keep):
        SimilarityGrid().match(x, grid)
    return kept


def test_a_near_tie_is_replayed_as_the_file_decided_it() -> None:
    # The one source is as similar to either neighbour, but for 2e-6 of a cosine.
    x = torch.tensor([[[1.0, 2e-3], [1.0, 0.0], [1.0, 0.0]]])
    grid = Grid(1, 3)
    ahead = recorded(x, grid)
    behind = recorded(x.flip(1), grid)
    assert not torch.equal(ahead[0][1], behind[0][1])

    replay = MatchReplay(behind, tie=1e-5)
    with matching_by(replay):
        assignment = SimilarityGrid().match(x, grid)

    assert replay.differing > 0
    assert assignment.merge(x)[0].tolist() != SimilarityGrid().match(x, grid).merge(x)[0].tolist()


def test_a_file_that_merges_what_is_not_alike_fails_its_gate() -> None:
    x = torch.tensor([[[1.0, 0.0], [0.1, 1.0], [0.0, 1.0]]])
    other = torch.tensor([[[0.0, 1.0], [0.1, 1.0], [1.0, 0.0]]])

    with (
        matching_by(MatchReplay(recorded(other, Grid(1, 3)), tie=1e-3)),
        pytest.raises(CheckError, match="merges tokens that are less similar than others"),
    ):
        SimilarityGrid().match(x, Grid(1, 3))


# --- what is refused


def test_less_than_half_of_an_axis_is_refused_with_what_can_do_it() -> None:
    with pytest.raises(
        ReductionError, match=r"a share of 0\.4 of an axis\n(.*\n)*.*area:share=0\.4"
    ):
        SimilarityGrid(0.4)


def test_the_head_is_refused() -> None:
    with pytest.raises(
        ReductionError, match=r"(?s)cannot make the grid of the head.*head\.grid=area"
    ):
        reduction_config(reduce=["head.grid=similarity"])


def test_an_unknown_value_is_refused() -> None:
    with pytest.raises(ReductionError, match="unknown value of similarity 'sum'"):
        SimilarityGrid.parse("value=sum")


# --- in a network


def network(*reduce: str, depth: int = 2) -> SegFormer:
    torch.manual_seed(0)
    architecture = replace(MINIATURE, depths=(1, 1, depth, 1))
    model = SegFormer(architecture, Numerics(1e-6, 1e-6, 1e-6, 1e-6)).eval()
    return model.apply_reductions(reduction_config(reduce=reduce))


def test_every_token_gets_what_its_slot_changed() -> None:
    model, x = network("3.grid=similarity"), torch.randn(1, 3, 100, 132)
    seen: dict[str, Tensor] = {}
    stage = model.stages[2]
    stage.patch_embed.register_forward_hook(lambda *given: seen.update(x=given[2][0]))
    stage.norm.register_forward_hook(lambda *given: seen.update(y=given[1][0]))

    with torch.inference_mode():
        model(x)
        grid, how = Grid(7, 9), SimilarityGrid()
        assignment = how.match(seen["x"], grid)
        pooled = changed = assignment.merge(seen["x"])
        for block in stage.blocks:
            changed = block(changed, how.grid_out(grid))

    delta = seen["y"].reshape(seen["x"].shape) - seen["x"]
    assert (delta - assignment.unmerge(changed - pooled)).abs().max() <= 1e-5
    assert delta.abs().max() > 1e-2


def test_every_weight_learns() -> None:
    model = network("3.grid=similarity:value=max", "1.grid=similarity:share=0.75").train()

    model(torch.randn(2, 3, 128, 160)).square().mean().backward()

    assert [name for name, value in model.named_parameters() if value.grad is None] == []


def sites(*reduce: str, depths: tuple[int, ...] = (2, 2, 2, 2)) -> tuple[ReductionSite, ...]:
    config = reduction_config(reduce=reduce)
    return count_tokens(config, site_grids(Size(352, 480), config), depths=depths)


def test_its_matches_and_products_are_counted_for_every_time_that_it_goes_small() -> None:
    b0 = segformer("b0", classes=19)
    plain = macs_of(b0, Size(352, 480), sites("3.grid=area")).stages[2]
    once = macs_of(b0, Size(352, 480), sites("3.grid=similarity")).stages[2]
    twice = macs_of(
        replace(b0, depths=(2, 2, 4, 2)),
        Size(352, 480),
        sites("3.grid=similarity:every=2", depths=(2, 2, 4, 2)),
    ).stages[2]

    # 22 rows of 15 sources, then 15 columns of 11, each with nine destinations in its window.
    assert once.matching == (22 * 15 + 15 * 11) * 9 * (160 + 3)
    assert once.merging == (22 * 15 * 30 + 15 * 11 * 22) * 160
    assert (plain.matching, twice.matching) == (0, 2 * once.matching)
    assert once.ffn == plain.ffn


def test_an_axis_that_stays_is_not_matched() -> None:
    how = SimilarityGrid(0.9)

    assert how.grid_out(Grid(4, 8)) == Grid(4, 7)
    assert how.matches(Grid(4, 8)) == 1
    assert how.compared_pairs(Grid(4, 8)) == 4 * 4 * 4
    assert how.pool_macs(Grid(4, 8)) == 4 * 8 * 7


def test_the_cost_model_asks_more_than_for_an_area() -> None:
    b0 = segformer("b0", classes=19)

    [area] = site_costs(b0, Size(352, 480), sites("3.grid=area"))
    [similar] = site_costs(b0, Size(352, 480), sites("3.grid=similarity"))

    assert similar.saved == area.saved
    assert similar.added > 2 * area.added


def test_a_manifest_is_read_back() -> None:
    told = sites("3.grid=similarity:share=0.75,value=max")

    assert recorded_config(told) == {Site(3, "grid"): SimilarityGrid(share=0.75, value="max")}
    assert Site(HEAD, "grid") not in recorded_config(told)
