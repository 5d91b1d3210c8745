"""Which blocks stay float: ``budget.py``, ``payoff.py``, ``blocks.py`` and ``sensitivity.py``."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segpp.calib.graph.sites import Site, sites_of
from segpp.calib.pictures.runs import batch_of, logits_of
from segpp.calib.plan import Plan
from segpp.calib.selection.blocks import block_gains, block_results
from segpp.calib.selection.budget import fit_budget
from segpp.calib.selection.costs import BlockCost, PartGain
from segpp.calib.selection.payoff import part_gains, without_loss, without_lossy_groups
from segpp.calib.selection.sensitivity import blocks_of, divergence, sensitivities
from segpp.calib.writers import WRITERS
from segpp.manifest import CalibrationDrop
from tests.calib.conftest import MakePictures, TinyFile
from tests.calib.plans import Quantized, quantize

# What each block of a made network loses, in points, and its divergence, out of order on purpose.
LOSSES = {"stage 1 block 1": 0.1, "stage 2 block 1": 0.8, "stage 3 block 1": 0.3}


def site(block: str, number: int = 0, part: str = "fc1") -> Site:
    stage = int(block.split()[1]) - 1
    module = f"stages.{stage}.blocks.0.ffn.{part}"
    return Site(f"{block} {number}", module, part, block, "MatMul", f"x {block} {number}",
                f"y {block} {number}", "w", 1, 1, -1, 8)  # fmt: skip


PLAN = Plan(tuple(site(block, number) for block in LOSSES for number in range(2)), {})


def drop_of(plan: Plan) -> CalibrationDrop:
    """Return the loss of a plan whose blocks' losses add up."""
    points = sum(LOSSES[block] for block in blocks_of(plan.sites))
    return CalibrationDrop("mIoU", 60.0, 60.0 - points, points, points, (), 9)


def costs(milliseconds: dict[str, float] | None = None) -> list[BlockCost]:
    gained = milliseconds or {}
    return [BlockCost(block, 2, loss / 10, gained.get(block)) for block, loss in LOSSES.items()]


@settings(deadline=None)
@given(st.floats(0, 2))
def test_the_plan_fits_the_budget_and_no_more_than_needed_was_given_back(most: float) -> None:
    found = fit_budget(PLAN, costs(), most, drop_of)

    assert drop_of(found).points <= most
    kept = set(blocks_of(found.sites))
    if gone := [block for block in LOSSES if block not in kept]:
        # The mildest of those that went was the last to go.
        last = min(gone, key=LOSSES.__getitem__)
        before = Plan(tuple(one for one in PLAN.sites if one.block in {*kept, last}), {})
        assert drop_of(before).points > most


def given_back(milliseconds: dict[str, float] | None = None) -> list[str]:
    """Return the blocks in the order in which they are given back if nothing may be lost."""
    tried: list[set[str]] = []

    def watched(plan: Plan) -> CalibrationDrop:
        tried.append(set(blocks_of(plan.sites)))
        return drop_of(plan)

    assert fit_budget(PLAN, costs(milliseconds), 0.0, watched).sites == ()
    return [block for more, less in pairwise([*tried, set()]) for block in more - less]


def test_the_block_that_diverges_most_goes_first() -> None:
    assert given_back() == sorted(LOSSES, key=LOSSES.__getitem__, reverse=True)


def test_a_block_that_gains_much_for_what_it_costs_stays_longer() -> None:
    gained = {"stage 1 block 1": 0.01, "stage 2 block 1": 100.0, "stage 3 block 1": 1.0}

    assert given_back(gained) == ["stage 1 block 1", "stage 3 block 1", "stage 2 block 1"]


def test_what_gains_less_than_clocks_can_tell_does_not_pay() -> None:
    gains = [
        PartGain("stage 1 feed-forward", 100.0, 90.0),
        PartGain("stage 2 feed-forward", 100.0, 110.0),
        # Less than clocks can tell.
        PartGain("stage 3 feed-forward", 100.0, 99.9),
    ]

    assert [gain.pays for gain in gains] == [True, False, False]


def test_blocks_share_evenly_what_their_parts_gain() -> None:
    sites = [site("stage 1 block 1"), site("stage 1 block 2"), site("stage 2 block 1")]
    gains = [PartGain("stage 1 feed-forward", 10.0, 6.0)]

    gained = block_gains(sites, gains)

    assert gained == {"stage 1 block 1": 2.0, "stage 1 block 2": 2.0}


def test_the_results_tell_of_every_block_why_it_stayed_float() -> None:
    floats = {PLAN.sites[0].node: "asked for", PLAN.sites[2].node: "a", PLAN.sites[3].node: "a"}

    first, second, third = block_results(PLAN.sites, floats, costs()[:1], {"stage 3 block 1": 4.0})

    assert (first.products, first.int8, first.floats) == (2, 1, {"asked for": 1})
    assert first.divergence == costs()[0].divergence
    assert (second.int8, second.floats, second.divergence) == (0, {"a": 2}, None)
    assert (third.int8, third.milliseconds, third.floats) == (2, 4.0, {})


LOGITS = arrays.arrays(np.float32, (2, 3, 2, 2), elements=st.floats(-20, 20, width=32))


@settings(deadline=None)
@given(LOGITS, LOGITS)
def test_divergence_is_zero_for_the_same_masks_and_never_negative(
    one: np.ndarray, other: np.ndarray
) -> None:
    # Rounding of float64 in sums of numbers up to 40.
    assert divergence([one], [one + 1]) == pytest.approx(0.0, abs=1e-6)
    assert divergence([one], [other]) >= -1e-12


@settings(deadline=None)
@given(arrays.arrays(np.float32, (2, 1, 2, 2), elements=st.floats(-20, 20, width=32)))
def test_one_channel_is_the_logit_of_a_sigmoid(logits: np.ndarray) -> None:
    both = np.concatenate([np.zeros_like(logits), logits], 1)

    assert divergence([logits], [logits / 2]) == divergence([both], [both / 2])


def test_of_labels_it_is_the_share_that_differs() -> None:
    labels = np.zeros((1, 4, 5), np.int8)
    others = labels.copy()
    others[0, 0, 0] = 7

    assert divergence([labels], [labels]) == 0
    assert divergence([labels], [others]) == 1 / labels.size


@pytest.fixture
def made(tiny_file: TinyFile, make_pictures: MakePictures) -> Quantized:
    pytest.importorskip("torch", reason="needs the exporter (extra export)")
    path = tiny_file("linear", 4, "--preset", "hq")
    return quantize(path, "openvino", make_pictures(1, channels=4))


def test_every_block_is_measured_alone(made: Quantized, make_pictures: MakePictures) -> None:
    batches = [batch_of(make_pictures(1, channels=4), made.manifest.input)]
    told: list[tuple[int, int]] = []
    writer = WRITERS["openvino"]

    found = sensitivities(
        made.model, made.plan, writer, batches, logits_of,
        after_each=lambda done, of: told.append((done, of)),
    )  # fmt: skip

    blocks = blocks_of(made.plan.sites)
    assert [cost.block for cost in found] == list(blocks)
    assert [cost.sites for cost in found] == [len(own) for own in blocks.values()]
    assert all(cost.divergence > 0 for cost in found)
    assert told == [(number, len(blocks)) for number in range(1, len(blocks) + 1)]
    one = writer.write(made.model, Plan(next(iter(blocks.values())), made.plan.ranges))
    expected = divergence(logits_of(made.model, batches), logits_of(one, batches))
    assert found[0].divergence == pytest.approx(expected)


def test_every_part_is_timed_as_float_beside_the_whole(made: Quantized) -> None:
    """The clock counts 8-bit weights: what each of the two files has of them."""
    seen: list[tuple[int, int]] = []

    def time(files: Sequence[Path]) -> list[float]:
        counted = [
            sum(t.data_type == onnx.TensorProto.INT8 for t in onnx.load(file).graph.initializer)
            for file in files
        ]
        seen.append((counted[0], counted[1]))
        return [float(count) for count in counted]

    gains = part_gains(made.model, made.plan, WRITERS["openvino"], time)

    parts = list(dict.fromkeys(one.part for one in made.plan.sites))
    assert [gain.part for gain in gains] == parts
    assert len({whole for _, whole in seen}) == 1
    assert all(without < whole for without, whole in seen)
    assert [gain.float_ms for gain in gains] == [1000.0 * without for without, _ in seen]


def parts_in(file: Path, made: Quantized) -> set[str]:
    """Return the parts whose products take a weight of 8 bits in a file."""
    nodes = {node.name: node for node in onnx.load(file).graph.node}
    makers = {name: node.op_type for node in nodes.values() for name in node.output}
    return {
        one.part
        for one in made.plan.sites
        if makers.get(nodes[one.node].input[1]) == "DequantizeLinear"
    }


@pytest.mark.parametrize(
    ("borders", "stays"), [(2.0, True), (0.0, False)], ids=["shared-border", "no-border"]
)
def test_a_part_that_pays_once_another_is_float_stays(
    made: Quantized, *, borders: float, stays: bool
) -> None:
    """Two parts cost a millisecond each in 8 bits, and one of them saves what is between them."""
    first, second = list(dict.fromkeys(one.part for one in made.plan.sites))[:2]
    seen: list[set[str]] = []

    def time(files: Sequence[Path]) -> list[float]:
        seen.extend(parts_in(file, made) for file in files)
        both = [{first, second} & parts for parts in seen[-len(files) :]]
        cost = {first: 1.5, second: 1.0}
        return [
            (50 + sum(map(cost.__getitem__, some)) + (0 if some else borders)) / 1000
            for some in both
        ]

    writer = WRITERS["openvino"]
    gains = [PartGain(first, 51.0, 52.5), PartGain(second, 51.5, 52.5)]
    plan, last = without_loss(made.model, made.plan, writer, time, gains)

    # The worst went without being timed again; the other was, beside it as float.
    assert len(seen) == 2
    assert all(first not in parts for parts in seen)
    parts = {one.part for one in plan.sites}
    assert first not in parts
    assert (second in parts) is last[1].pays is stays
    assert last[0] == gains[0]


def test_a_stage_that_loses_as_a_whole_goes_though_each_part_pays_beside_the_others(
    made: Quantized,
) -> None:
    """Two parts save a millisecond each, and 8 bits anywhere in their stage cost five."""
    parts = dict.fromkeys(one.part for one in made.plan.sites)
    attention = next(part for part in parts if part.endswith("attention"))
    stage = {one for one in parts if one.rpartition(" ")[0] == attention.rpartition(" ")[0]}

    def time(files: Sequence[Path]) -> list[float]:
        own = [stage & parts_in(file, made) for file in files]
        return [(50 - len(some) + (5 if some else 0)) / 1000 for some in own]

    gains = part_gains(made.model, made.plan, WRITERS["openvino"], time)
    plan, groups = without_lossy_groups(made.model, made.plan, WRITERS["openvino"], time)

    assert all(gain.pays for gain in gains if gain.part in stage)
    assert not {one.part for one in plan.sites} & stage
    assert f"{attention.rpartition(' ')[0]}, whole" in {one.part for one in groups}


def test_what_was_not_timed_is_not_judged(made: Quantized) -> None:
    kept, gains = without_loss(made.model, made.plan, WRITERS["openvino"], lambda _: [], ())

    assert (kept, gains) == (made.plan, ())


def test_blocks_are_those_of_the_sites_in_order(made: Quantized) -> None:
    sites = sites_of(made.model)

    blocks = blocks_of(sites)

    assert sorted(one.node for own in blocks.values() for one in own) == sorted(
        one.node for one in sites
    )
    assert next(iter(blocks)) == sites[0].block
