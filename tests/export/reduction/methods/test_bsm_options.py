"""What the options of bsm change, against their definitions written out token by token.

Tests reduction/matching/matched_tokens.py, reduction/matching/saliency.py,
reduction/matching/protected_tokens.py, reduction/matching/destination_exchange.py,
reduction/assignments/largest_values.py, and words as settings in reduction/base.py.
"""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from segpp.errors import ReductionError
from segpp.export.config.merging import shortfall_note
from segpp.export.models.segformer.architecture import Numerics, segformer
from segpp.export.models.segformer.macs import macs_of
from segpp.export.models.segformer.model import SegFormer
from segpp.export.models.segformer.presets import reduction_config
from segpp.export.models.segformer.sites import site_grids
from segpp.export.onnx_graph.lint import lint
from segpp.export.reduction.assignments.largest_values import largest_values
from segpp.export.reduction.config import count_tokens, recorded_config
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.export.reduction.sites import Site
from segpp.ops.grid import Grid, Size
from tests.export.reduction.test_contract import exported, tokens

Array = NDArray[Any]
Bsm = BipartiteSoftMatching

GRIDS = [Grid(8, 12), Grid(9, 11), Grid(13, 7)]
OPTIONS = [
    Bsm(0.5, 2, 2, protect=0.3),
    Bsm(0.4, 2, 2, protect=3.0),
    Bsm(0.6, 3, 3, destination="center"),
    Bsm(0.6, 4, 4, destination="salient"),
    Bsm(0.6, 3, 4, destination="typical"),
    Bsm(0.6, 3, 2, value="max"),
    Bsm(0.6, 3, 3, window=1, protect=1.0, destination="center"),
    Bsm(0.7, 4, 3, window=1, protect=1.0, destination="salient", value="max"),
]


# --- the definitions


def cosine(a: Array, b: Array) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def saliency_of(x: Array, grid: Grid, how: Bsm) -> Array:
    """One minus the cosine with the mean of the unit tokens of the cell, cut ones included."""
    image = (x / np.linalg.norm(x, axis=1, keepdims=True)).reshape(grid.height, grid.width, -1)
    found = []
    for row, column in product(range(grid.height), range(grid.width)):
        top, left = row // how.sy * how.sy, column // how.sx * how.sx
        cell = image[top : top + how.sy, left : left + how.sx]
        found.append(1 - cosine(image[row, column], cell.mean((0, 1))))
    return np.array(found)


def cell_of(token: int, grid: Grid, how: Bsm) -> tuple[int, int]:
    return token // grid.width // how.sy, token % grid.width // how.sx


def destinations_of(x: Array, grid: Grid, how: Bsm) -> list[int]:
    saliency = saliency_of(x, grid, how)
    found = []
    for row, column in product(range(grid.height // how.sy), range(grid.width // how.sx)):
        steps = product(range(how.sy), range(how.sx))
        cell = [(row * how.sy + y) * grid.width + column * how.sx + x for y, x in steps]
        middle = (how.sy - 1) // 2 * how.sx + (how.sx - 1) // 2
        found.append(
            {
                "corner": cell[0],
                "center": cell[middle],
                "typical": min(cell, key=lambda token: saliency[token]),
                "salient": max(cell, key=lambda token: saliency[token]),
            }[how.destination]
        )
    return found


def members_by_definition(x: Array, grid: Grid, how: Bsm) -> dict[int, list[int]]:
    """Return the tokens that become one, by the token that they merge into."""
    destinations, saliency = destinations_of(x, grid, how), saliency_of(x, grid, how)
    best = {}
    for token in set(range(grid.tokens)) - set(destinations):
        rivals = [d for d in destinations if _is_near(token, d, grid, how)]
        scores = [cosine(x[token], x[d]) for d in rivals]
        best[token] = (max(scores) - how.protect * saliency[token], rivals[int(np.argmax(scores))])
    merging = sorted(best, key=lambda token: -best[token][0])[: how.num_merged(grid)]
    members = {token: [token] for token in range(grid.tokens) if token not in merging}
    for token in merging:
        members[best[token][1]].append(token)
    return members


def _is_near(source: int, destination: int, grid: Grid, how: Bsm) -> bool:
    pairs = zip(cell_of(source, grid, how), cell_of(destination, grid, how), strict=True)
    return not how.window or max(abs(one - other) for one, other in pairs) <= how.window


def restored_by_definition(x: Array, grid: Grid, how: Bsm) -> Array:
    restored = np.empty_like(x)
    for members in members_by_definition(x, grid, how).values():
        rows = x[sorted(members)]
        largest = np.take_along_axis(rows, np.abs(rows).argmax(0)[None], 0)[0]
        restored[members] = largest if how.value == "max" else rows.mean(0)
    return restored


def restored(x: Tensor, grid: Grid, how: Bsm) -> Tensor:
    assignment = how.match(x, grid)
    merged = assignment.merge(x)
    assert merged.shape[1] == how.tokens_out(grid)
    return assignment.unmerge(merged)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("how", OPTIONS, ids=Bsm.to_string)
def test_tokens_merge_as_the_definition_says(how: Bsm, grid: Grid) -> None:
    x = tokens(grid, batch=2)

    found = restored(x, grid, how)

    expected = np.stack([restored_by_definition(one.double().numpy(), grid, how) for one in x])
    assert np.abs(found.numpy() - expected).max() <= 1e-5


@pytest.mark.parametrize("how", OPTIONS, ids=Bsm.to_string)
def test_an_option_changes_what_merges_and_not_how_much(how: Bsm) -> None:
    grid = Grid(9, 11)
    plain = replace(how, protect=0.0, destination="corner", value="mean")

    assert how.tokens_out(grid) == plain.tokens_out(grid)
    assert not torch.equal(restored(tokens(grid), grid, how), restored(tokens(grid), grid, plain))


def test_a_token_that_stands_out_is_kept_from_merging() -> None:
    # All are nearly alike but for a source, whose like is a destination far away.
    grid, odd, like = Grid(8, 8), 3 * 8 + 3, 6 * 8 + 6
    x = torch.ones(1, grid.tokens, 4) + 0.01 * tokens(grid, batch=1, channels=4)
    x[0, [odd, like]] = torch.tensor([1.0, -1.0, 1.0, -1.0])

    def alone(protect: float) -> bool:
        # 40 of 48 sources merge.
        slot = Bsm(0.625, 2, 2, protect=protect).match(x, grid).unmerge
        numbers = torch.arange(24.0)[None, :, None]
        return bool(slot(numbers)[0, odd] != slot(numbers)[0, like])

    assert not alone(0.0)
    assert alone(1.0)


@pytest.mark.parametrize("how", [OPTIONS[0], OPTIONS[-1]], ids=Bsm.to_string)
def test_the_graph_has_one_match_and_computes_the_same(how: Bsm) -> None:
    grid = Grid(9, 11)
    model, x = exported(how, grid), tokens(grid, batch=1)

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    [found] = session.run(None, {"x": x.numpy()})

    assert lint(model) == []
    assert [node.op_type for node in model.graph.node].count("SegppTokenMatch") == 1
    assert np.abs(found - restored(x, grid, how).numpy()).max() <= 1e-5


def test_without_options_the_graph_is_three_operators() -> None:
    model = exported(Bsm(), Grid(9, 11))

    assert [node.op_type for node in model.graph.node] == [
        "SegppTokenMatch", "SegppTokenMerge", "SegppTokenUnmerge",
    ]  # fmt: skip
    assert model.graph.node[0].input[0] == model.graph.node[1].input[0] == "x"


# --- largest values


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("count", "slots"), [(7, 3), (40, 1), (64, 40), (33, 33)])
def test_the_largest_of_a_slot_is_found(count: int, slots: int, dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(count)
    # Whole numbers: many are as large as others, with either sign.
    x = torch.randint(-3, 4, (2, count, 5), generator=draw).to(dtype)
    slot = torch.stack([torch.randperm(count, generator=draw) % slots for _ in range(2)]).int()

    found = largest_values(x, slot, slots, count - slots + 1)

    assert found.dtype == dtype
    for image, number in product(range(2), range(slots)):
        rows = x[image][slot[image] == number]
        for channel in range(5):
            column = rows[:, channel].tolist()
            # The first of equals, as max() has it.
            assert found[image, number, channel].item() == max(column, key=abs)


def test_only_what_is_largest_learns() -> None:
    x = torch.tensor([[[1.0], [-3.0], [2.0]]], requires_grad=True)

    largest_values(x, torch.zeros(1, 3, dtype=torch.int32), 1, 3).sum().backward()

    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0, 1, 0]


def test_all_tokens_learn_from_a_protected_match() -> None:
    grid = Grid(6, 6)
    x = tokens(grid, batch=2).requires_grad_()

    with torch.autocast("cpu", torch.bfloat16):
        restored(x, grid, Bsm(protect=1.0, destination="salient")).square().sum().backward()

    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert (x.grad.abs().sum(2) > 0).all()


def test_tokens_without_length_stay_finite() -> None:
    grid = Grid(6, 6)
    x = tokens(grid)
    x[:, ::3] = 0
    for how in (Bsm(protect=1.0), Bsm(destination="salient"), Bsm(value="max")):
        assert restored(x, grid, how).isfinite().all()
        assert restored(torch.zeros_like(x), grid, how).eq(0).all()


# --- counts and words


def test_protection_is_counted_with_its_two_channels() -> None:
    architecture, size = segformer("b0", classes=5), Size(143, 189)
    config = reduction_config(reduce=["3.q=bsm:protect=0.5,destination=salient,value=max"])
    model = SegFormer(architecture, Numerics(1e-6, 1e-6, 1e-6, 1e-6)).eval()

    macs = macs_of(architecture, size, count_tokens(config, site_grids(size)))
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.apply_reductions(config)(torch.zeros(1, 3, *size))

    counted = int(counter.get_total_flops()) // 2
    assert macs.total - sum(stage.merging for stage in macs.stages) == counted


def test_words_are_read_back_from_text_and_manifest() -> None:
    how = Bsm(0.25, 4, 4, 1, 0.5, "salient", "max")
    text = "bsm:ratio=0.25,sy=4,sx=4,window=1,protect=0.5,destination=salient,value=max"
    config = reduction_config(reduce=[f"3.q={text}"])

    assert list(config.values()) == [how]
    assert how.to_string() == text
    assert recorded_config(count_tokens(config, site_grids(Size(128, 128)))) == config
    # At their defaults they are not told: every line on a site would be twice as long.
    assert Bsm(0.25).to_string() == "bsm:ratio=0.25,sy=2,sx=2,window=0"
    assert Bsm(0.25, protect=2).to_string() == "bsm:ratio=0.25,sy=2,sx=2,window=0,protect=2"
    assert Bsm.defaults()[-3:] == ("protect=0", "destination=corner", "value=mean")


@pytest.mark.parametrize(
    ("how", "note"),
    [
        (Bsm(0.99), "75 % instead of 99 %"),
        (Bsm(0.999, 4, 4), "93.8 % instead of 99.9 %"),
        (Bsm(0.75), None),
        (Bsm(0.5), None),
    ],
)
def test_cells_that_have_fewer_sources_than_are_to_merge_are_noted(
    how: Bsm, note: str | None
) -> None:
    told = shortfall_note({Site(3, "q"): how}, {Site(3, "q"): Grid(16, 16)})

    intro = "one token of each cell stays, so fewer merge than was asked for: 3.q"
    assert told == (None if note is None else f"{intro} {note}")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ("destination=middle", "unknown destination of bsm 'middle'\n  known: center, corner, sal"),
        ("destination=", "unknown destination of bsm ''"),
        ("value=maximum", "unknown value of bsm 'maximum'\n  known: max, mean"),
        ("protect=much", "bsm needs a number for protect, not 'much'"),
        ("protect=-1", "bsm cannot protect tokens by -1\n  protect must lie in [0, 100]"),
        ("protect=nan", "bsm cannot protect tokens by nan"),
        ("protect=101", "bsm cannot protect tokens by 101"),
    ],
)
def test_what_is_no_such_setting_is_refused_by_name(settings: str, problem: str) -> None:
    with pytest.raises(ReductionError) as failure:
        Bsm.parse(settings)

    assert str(failure.value).startswith(problem)


def test_a_word_given_as_an_object_is_checked_too() -> None:
    with pytest.raises(ReductionError, match="unknown value of bsm 'median'"):
        Bsm(value="median")  # type: ignore[arg-type]  # that is what is tested
