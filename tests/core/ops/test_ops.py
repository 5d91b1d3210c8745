"""The custom operators: what the oracle promises, and that torch and the ONNX functions keep it.

Tests custom_ops/torch_ops.py and custom_ops/functions/*.py.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper

from segpp import ops
from segpp.export.custom_ops import torch_ops
from segpp.export.custom_ops.functions import FUNCTIONS, OperatorUses
from segpp.ops.grid import Grid
from segpp.ops.partition import BipartitePartition
from tests.helpers.onnx_models import node_of, session_for, session_of

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """Settings of a match, and the tokens to run it on."""

    grid: Grid
    stride_y: int
    stride_x: int
    merged: int
    window: int
    x: Floats

    @property
    def attributes(self) -> dict[str, int]:
        return {
            "height": self.grid.height,
            "width": self.grid.width,
            "stride_y": self.stride_y,
            "stride_x": self.stride_x,
            "merged": self.merged,
            "window": self.window,
        }

    @property
    def slots(self) -> int:
        return self.grid.tokens - self.merged


def exact_tokens(batch: int, tokens: int, seed: int) -> Floats:
    """Entries in {-1, 0, 1}, 4 non-zero per row: norms and cosines are exact in any order.

    So slots must be identical everywhere, ties included, of which there are many.
    """
    rng = np.random.default_rng(seed)
    x = np.zeros((batch, tokens, 8), np.float32)
    chosen = rng.random(x.shape).argsort(2)[:, :, :4]
    np.put_along_axis(x, chosen, rng.choice([-1.0, 1.0], chosen.shape).astype(np.float32), 2)
    x[rng.random((batch, tokens)) < 0.1] = 0
    return x


@st.composite
def cases(draw: st.DrawFn) -> Case:
    grid = Grid(draw(st.integers(1, 12)), draw(st.integers(1, 12)))
    stride_y, stride_x = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    assume(stride_y * stride_x > 1 and stride_y <= grid.height and stride_x <= grid.width)
    merged = draw(st.integers(0, BipartitePartition(grid, stride_y, stride_x).num_sources))
    x = exact_tokens(draw(st.integers(1, 2)), grid.tokens, draw(st.integers(0, 999)))
    return Case(grid, stride_y, stride_x, merged, draw(st.sampled_from([0, 1, 2])), x)


def by_numpy(case: Case) -> NDArray[np.int32]:
    return ops.match_reference(case.x, **case.attributes)


def by_torch(case: Case) -> NDArray[np.int32]:
    slot = torch_ops.match(
        torch.from_numpy(case.x),
        case.grid,
        stride_y=case.stride_y,
        stride_x=case.stride_x,
        merged=case.merged,
        window=case.window,
    )
    return slot.numpy()


def by_onnx(case: Case) -> NDArray[np.int32]:
    session = session_for("SegppTokenMatch", tuple(case.attributes.items()), (case.x.shape,), "f")
    return session.run(None, {"x": case.x})[0]


IMPLEMENTATIONS = {"numpy": by_numpy, "torch": by_torch, "onnx": by_onnx}


@pytest.mark.parametrize("run", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
@given(case=cases())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_match_fills_its_slots_in_the_promised_order(
    run: Callable[[Case], NDArray[np.int32]], case: Case
) -> None:
    slot = run(case)

    partition = BipartitePartition(case.grid, case.stride_y, case.stride_x)
    kept = partition.num_sources - case.merged
    assert slot.dtype == np.int32
    for image in slot:
        of_sources = image[partition.sources]
        assert (of_sources[of_sources < kept] == np.arange(kept)).all()
        assert (image[partition.destinations] == kept + np.arange(partition.cells.tokens)).all()
        assert (of_sources >= kept).sum() == case.merged
        assert image.max() < case.slots


@pytest.mark.parametrize("run", [by_torch, by_onnx])
@given(case=cases())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_torch_and_onnx_match_like_the_oracle_ties_included(
    run: Callable[[Case], NDArray[np.int32]], case: Case
) -> None:
    assert (run(case) == by_numpy(case)).all()


@pytest.mark.parametrize("run", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def test_among_equal_tokens_the_first_sources_merge_into_the_first_destination(
    run: Callable[[Case], NDArray[np.int32]],
) -> None:
    case = Case(Grid(2, 4), 2, 2, merged=2, window=0, x=np.ones((1, 8, 4), np.float32))

    slot = run(case)

    # Destinations are tokens 0 and 2; sources 1, 3, 4, 5, 6, 7, of which 1 and 3 merge.
    assert slot.tolist() == [[4, 4, 5, 4, 0, 1, 2, 3]]


@pytest.mark.parametrize("run", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS.keys())
def test_a_window_keeps_sources_from_distant_destinations(
    run: Callable[[Case], NDArray[np.int32]],
) -> None:
    x = np.zeros((1, 12, 2), np.float32)
    x[0, :, 0] = 1
    # Token 11 lies in the last of six cells and equals destination 0 only.
    x[0, [0, 11], :] = [0, 1]
    near = Case(Grid(1, 12), 1, 2, merged=6, window=1, x=x)
    anywhere = Case(Grid(1, 12), 1, 2, merged=6, window=0, x=x)

    assert run(anywhere)[0, 11] == 0
    # Destinations 8 and 10 are near and equally dissimilar: the lower one, slot 4.
    assert run(near)[0, 11] == 4


def by_torch_merge(x: Floats, slot: NDArray[np.int32], slots: int, singles: int = 0) -> Floats:
    merged = torch_ops.merge(torch.from_numpy(x), torch.from_numpy(slot), slots, singles)
    return merged.numpy()


def by_onnx_merge(x: Floats, slot: NDArray[np.int32], slots: int, singles: int = 0) -> Floats:
    kind = "hi" if x.dtype == np.float16 else "fi"
    attributes = (("slots", slots), ("singles", singles))
    session = session_for("SegppTokenMerge", attributes, (x.shape, slot.shape), kind)
    return session.run(None, {"x": x, "slot": slot})[0]


MERGES = [by_torch_merge, by_onnx_merge]


@st.composite
def slot_maps(draw: st.DrawFn) -> tuple[Floats, NDArray[np.int32], int]:
    batch, tokens, slots = (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 90)),
        draw(st.integers(1, 20)),
    )
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    x = rng.standard_normal((batch, tokens, draw(st.sampled_from([1, 7, 32]))), np.float32)
    return x, rng.integers(0, slots, (batch, tokens), dtype=np.int32), slots


@pytest.mark.parametrize("run", MERGES)
@given(case=slot_maps())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_torch_and_onnx_average_slots_like_the_oracle(
    run: Callable[[Floats, NDArray[np.int32], int], Floats],
    case: tuple[Floats, NDArray[np.int32], int],
) -> None:
    x, slot, slots = case

    merged = run(x, slot, slots)

    # At most 90 members near 1: each sum rounds 90 times by 2**-24 of at most 90.
    expected = ops.merge_reference(x, slot, slots=slots)
    assert merged.shape == expected.shape
    assert np.abs(merged - expected).max() <= 90 * 2.0**-24 * max(1, np.abs(x).max())


@st.composite
def maps_with_singles(draw: st.DrawFn) -> tuple[Floats, NDArray[np.int32], int, int]:
    batch, singles, groups = (draw(st.integers(1, n)) for n in (3, 20, 9))
    tokens = singles + draw(st.integers(0, 60))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    x = rng.standard_normal((batch, tokens, draw(st.sampled_from([1, 7, 32]))), np.float32)
    slot = rng.integers(singles, singles + groups, (batch, tokens), dtype=np.int32)
    for row in slot:
        row[rng.permutation(tokens)[:singles]] = rng.permutation(singles)
    return x, slot, singles + groups, singles


@pytest.mark.parametrize("run", MERGES)
@given(case=maps_with_singles())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_slots_promised_to_have_one_row_are_copied_and_the_others_averaged(
    run: Callable[..., Floats], case: tuple[Floats, NDArray[np.int32], int, int]
) -> None:
    x, slot, slots, singles = case

    merged = run(x, slot, slots, singles)

    expected = ops.merge_reference(x, slot, slots=slots, singles=singles)
    assert (merged[:, :singles] == expected[:, :singles]).all()
    # At most 60 members near 1: each sum rounds 60 times by 2**-24 of at most 60.
    assert np.abs(merged - expected).max() <= 60 * 2.0**-24 * max(1, np.abs(x).max())


def test_threads_do_not_lose_a_row_when_merging() -> None:
    # What a scatter that adds does in ONNX Runtime, in every fifth run of this size.
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 8192, 160), np.float32)
    slot = rng.integers(1000, 1638, (1, 8192), dtype=np.int32)
    slot[0, rng.permutation(8192)[:1000]] = np.arange(1000)

    runs = [by_onnx_merge(x, slot, 1638, 1000) for _ in range(40)]

    assert all((run == runs[0]).all() for run in runs)


def test_the_oracle_refuses_a_slot_that_breaks_the_promise_of_one_row() -> None:
    with pytest.raises(ValueError, match="one of the first 1 slots has not exactly one member"):
        ops.merge_reference(
            np.ones((1, 3, 1), np.float32), np.zeros((1, 3), np.int32), slots=1, singles=1
        )


@pytest.mark.parametrize("run", MERGES)
def test_a_slot_of_one_is_an_exact_copy_and_an_empty_slot_is_zero(
    run: Callable[[Floats, NDArray[np.int32], int], Floats],
) -> None:
    x = np.array([[[0.1], [1e30], [3.0]]], np.float32)
    slot = np.array([[2, 0, 0]], np.int32)

    merged = run(x[:, [0, 2, 2]], slot, 4)

    assert merged.flatten().tolist() == [3.0, 0.0, np.float32(0.1), 0.0]


@pytest.mark.parametrize("run", MERGES)
def test_half_precision_tokens_are_averaged_in_single(
    run: Callable[[Floats, NDArray[np.int32], int], Floats],
) -> None:
    # 64 x 2048 overflows half precision; the mean does not.
    x = np.full((1, 64, 2), 2048, np.float16)

    merged = run(x, np.zeros((1, 64), np.int32), 1)

    assert merged.dtype == np.float16
    assert merged.flatten().tolist() == [2048, 2048]


def test_the_oracle_sums_groups_of_32_in_order() -> None:
    # 1 + 2**-24 rounds to 1, so the order shows: after the first group of 32 the partial sums
    # start again from zero.
    x = np.full((1, 64, 1), 2.0**-24, np.float32)
    x[0, 0] = 1

    mean = ops.merge_reference(x, np.zeros((1, 64), np.int32), slots=1)

    assert mean[0, 0, 0] * 64 == np.float32(1 + 32 * 2.0**-24)


@given(case=slot_maps())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_unmerge_is_a_row_gather_everywhere(case: tuple[Floats, NDArray[np.int32], int]) -> None:
    x, slot, slots = case
    y = ops.merge_reference(x, slot, slots=slots)

    expected = ops.unmerge_reference(y, slot)

    session = session_for("SegppTokenUnmerge", (), (y.shape, slot.shape), "fi")
    by_onnx_ = session.run(None, {"y": y, "slot": slot})[0]
    by_torch_ = torch_ops.unmerge(torch.from_numpy(y), torch.from_numpy(slot)).numpy()
    assert (by_onnx_ == expected).all()
    assert (by_torch_ == expected).all()


def test_every_contract_has_a_function_and_every_function_a_contract() -> None:
    assert set(FUNCTIONS) == set(ops.CONTRACTS)


@pytest.mark.parametrize("name", sorted(ops.CONTRACTS))
def test_a_function_has_the_inputs_and_attributes_of_its_contract(name: str) -> None:
    contract = ops.CONTRACTS[name]
    sizes = dict.fromkeys(contract.attributes, 4)
    node = helper.make_node(name, contract.inputs, contract.outputs, domain=ops.DOMAIN, **sizes)

    function = FUNCTIONS[name](OperatorUses([node], dict.fromkeys(contract.inputs, (1, 3, 2, 2))))

    plugin = {"plugin_version", "plugin_namespace"}
    assert tuple(function.input) == contract.inputs
    assert set(function.attribute) == {*contract.attributes, *plugin}
    assert function.domain == ops.DOMAIN


@pytest.mark.parametrize("name", sorted(ops.CONTRACTS))
def test_inner_names_of_a_function_cannot_clash_with_a_graph(name: str) -> None:
    contract = ops.CONTRACTS[name]
    sizes = dict.fromkeys(contract.attributes, 4)
    node = helper.make_node(name, contract.inputs, contract.outputs, domain=ops.DOMAIN, **sizes)

    function = FUNCTIONS[name](OperatorUses([node], dict.fromkeys(contract.inputs, (1, 3, 2, 2))))

    inner = {n for inner_node in function.node for n in inner_node.output} - set(function.output)
    assert inner
    assert all(value.startswith(f"{name}_") for value in inner)


def match_function(*windows: int) -> onnx.FunctionProto:
    nodes = [helper.make_node("SegppTokenMatch", [], [], window=window) for window in windows]
    return FUNCTIONS["SegppTokenMatch"](OperatorUses(nodes, {}))


def test_a_file_without_windows_compares_no_cells() -> None:
    assert len(match_function(0, 0).node) < len(match_function(0, 1).node)
    assert "Abs" not in {node.op_type for node in match_function(0).node}


def test_a_file_of_windows_hides_no_destinations() -> None:
    assert "Abs" in {node.op_type for node in match_function(0, 1).node}
    assert "Abs" not in {node.op_type for node in match_function(1, 2).node}


def test_windows_as_wide_as_the_grid_are_no_more_work_than_any_distance() -> None:
    # A window of 40 cells has 6561 places, on a grid of 16x16 destinations.
    grid = {"height": 32, "width": 32, "stride_y": 2, "stride_x": 2}
    narrow, wide = (
        helper.make_node("SegppTokenMatch", [], [], **grid, window=window) for window in (1, 40)
    )

    functions = [FUNCTIONS["SegppTokenMatch"](OperatorUses([node], {})) for node in (narrow, wide)]

    assert ["Abs" in {node.op_type for node in one.node} for one in functions] == [False, True]


@given(case=cases(), wide=st.integers(3, 30))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_window_within_reach_hides_what_the_wider_one_does(case: Case, wide: int) -> None:
    partition = BipartitePartition(case.grid, case.stride_y, case.stride_x)

    reach = partition.within_reach(wide)

    assert reach <= max(1, case.grid.height - 1, case.grid.width - 1)
    assert (partition.near(reach) == partition.near(wide)).all()


@given(case=cases(), other=cases())
@settings(max_examples=20, deadline=None, derandomize=True)
def test_windowed_and_global_matches_share_a_file(case: Case, other: Case) -> None:
    windowed, anywhere = replace(case, window=1), replace(other, window=0)

    found = by_onnx_together(windowed, anywhere)

    assert (found[0] == by_numpy(windowed)).all()
    assert (found[1] == by_numpy(anywhere)).all()


def by_onnx_together(*cases: Case) -> list[NDArray[np.int32]]:
    nodes, inputs, outputs = [], [], []
    for index, case in enumerate(cases):
        node = node_of("SegppTokenMatch", case.attributes)
        node.input[0], node.output[0] = f"x{index}", f"slot{index}"
        nodes.append(node)
        kind = onnx.TensorProto.FLOAT
        inputs.append(helper.make_tensor_value_info(f"x{index}", kind, case.x.shape))
        outputs.append(onnx.ValueInfoProto(name=f"slot{index}"))
    session = session_of(helper.make_graph(nodes, "nodes", inputs, outputs))
    return session.run(None, {f"x{index}": case.x for index, case in enumerate(cases)})
