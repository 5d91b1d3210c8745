"""In files for TensorRT a sum behind unmerged tokens is part of their operator.

Tests custom_ops/unmerge_add.py and custom_ops/functions/token_unmerge_add.py.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray

import segpp
from segpp.calib.graph.segments import segments_of
from segpp.calib.graph.sites import sites_of
from segpp.export.custom_ops.functions import functions_for
from segpp.export.custom_ops.unmerge_add import join_unmerge_add
from segpp.ops import DOMAIN, merge_reference, unmerge_add_reference
from tests.core.ops.test_ops import Floats, session_for, slot_maps
from tests.helpers.checkpoints import MINIATURE, lively, theirs

HEAD = '<ir_version: 8, opset_import: ["": 18, "segpp": 1]>'
UNMERGE = 'segpp.SegppTokenUnmerge <plugin_version = "1", plugin_namespace = ""> (y, slot)'
GIVEN = "float[1,4,2] y, int32[1,6] slot, float[1,6,2] r, float[2] bias"


def graph_of(nodes: str, outputs: str = "float[1,6,2] x") -> onnx.GraphProto:
    text = f"{HEAD} g ({GIVEN}) => ({outputs}) <float[1,6,2] u, float[1,6,2] v> {{ {nodes} }}"
    graph: onnx.GraphProto = onnx.parser.parse_model(text).graph
    join_unmerge_add(graph)
    return graph


def joined(nodes: str, outputs: str = "float[1,6,2] x") -> list[onnx.NodeProto]:
    return list(graph_of(nodes, outputs).node)


@pytest.mark.parametrize("operands", ["r, u", "u, r"])
def test_one_operator_takes_the_place_of_both(operands: str) -> None:
    [node] = joined(f"u = {UNMERGE} x = Add({operands})")

    assert (node.op_type, node.domain) == ("SegppTokenUnmergeAdd", DOMAIN)
    assert list(node.input) == ["y", "slot", "r"]
    assert list(node.output) == ["x"]
    assert {a.name: a.s for a in node.attribute} == {
        "plugin_version": b"1",
        "plugin_namespace": b"",
    }


@pytest.mark.parametrize(
    ("nodes", "outputs"),
    [
        (f"u = {UNMERGE} x = Add(u, bias)", "float[1,6,2] x"),
        (f"u = {UNMERGE} x = Add(r, u) v = Relu(u)", "float[1,6,2] x, float[1,6,2] v"),
        (f"u = {UNMERGE} x = Add(r, u)", "float[1,6,2] x, float[1,6,2] u"),
        (f"u = {UNMERGE} x = Add(u, u)", "float[1,6,2] x"),
        (f"u = {UNMERGE} v = Relu(u) x = Add(r, v)", "float[1,6,2] x"),
        (f"u = {UNMERGE} x = Sub(r, u)", "float[1,6,2] x"),
    ],
    ids=["a bias", "read elsewhere", "an output", "twice itself", "not at once", "no sum"],
)
def test_what_is_not_a_sum_of_tokens_stays(nodes: str, outputs: str) -> None:
    operators = {node.op_type for node in joined(nodes, outputs)}

    assert "SegppTokenUnmerge" in operators
    assert "SegppTokenUnmergeAdd" not in operators


def test_of_two_unmerged_summands_one_stays() -> None:
    nodes = joined(f"u = {UNMERGE} v = {UNMERGE} x = Add(u, v)")

    assert [node.op_type for node in nodes] == ["SegppTokenUnmerge", "SegppTokenUnmergeAdd"]
    assert set(nodes[0].output) < set(nodes[1].input)


def test_both_functions_of_one_file_have_names_of_their_own() -> None:
    unmerge, add = functions_for(graph_of(f"u = {UNMERGE} v = {UNMERGE} x = Add(u, v)"))

    values = [{name for node in one.node for name in node.output} for one in (unmerge, add)]
    assert not values[0] & values[1] - {"x"}
    assert not {n.name for n in unmerge.node} & {n.name for n in add.node}


@given(case=slot_maps())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_unmerge_add_is_a_sum_of_both_everywhere(
    case: tuple[Floats, NDArray[np.int32], int],
) -> None:
    x, slot, slots = case
    y = merge_reference(x, slot, slots=slots)

    expected = unmerge_add_reference(y, slot, x)

    shapes = (y.shape, slot.shape, x.shape)
    session = session_for("SegppTokenUnmergeAdd", (), shapes, "fif")
    found = session.run(None, {"y": y, "slot": slot, "residual": x})[0]
    assert (found == expected).all()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    checkpoint = folder / "miniature.pth"
    torch.save({"state_dict": lively(theirs())}, checkpoint)
    found = {}
    for target in ("portable", "tensorrt"):
        found[target] = folder / f"{target}.onnx"
        segpp.export_onnx(
            checkpoint,
            found[target],
            preset="hq",
            reduce=["2.grid=area", "1.ffn=bsm"],
            size=(128, 192),
            target=target,
            outputs="logits",
        )
    return found


def test_a_file_for_tensorrt_has_it_wherever_tokens_are_unmerged(files: dict[str, Path]) -> None:
    counts = {}
    for target, path in files.items():
        graph = onnx.load(path).graph
        counts[target] = Counter(node.op_type for node in graph.node)
        values = {value.name for value in graph.value_info}
        assert values <= {name for node in graph.node for name in node.output}

    portable, tensorrt = counts["portable"], counts["tensorrt"]
    assert portable["SegppTokenUnmergeAdd"] == 0
    # Within a feed-forward part a convolution reads them.
    assert tensorrt["SegppTokenUnmerge"] == 1
    joined_ones = tensorrt["SegppTokenUnmergeAdd"]
    assert joined_ones == portable["SegppTokenUnmerge"] - 1 > 2
    assert portable["Add"] - tensorrt["Add"] >= joined_ones


def test_its_logits_are_those_of_the_other_file(files: dict[str, Path]) -> None:
    image = np.random.default_rng(0).standard_normal((1, 3, 128, 192)).astype(np.float32)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1

    first, second = (
        ort.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(
            None, {"image": image}
        )[0]
        for path in files.values()
    )

    assert np.abs(first - second).max() <= 1e-5 * np.abs(first).max()


def test_calibration_finds_the_end_of_every_block(files: dict[str, Path]) -> None:
    ends = {}
    for target, path in files.items():
        model = onnx.shape_inference.infer_shapes(onnx.load(path))
        ends[target] = [one.block for one in segments_of(model, sites_of(model))]

    assert ends["tensorrt"] == ends["portable"]
    assert len(ends["portable"]) == sum(MINIATURE.depths)
