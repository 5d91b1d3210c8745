"""What a board would need for files that others made, damaged ones and hostile ones."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from segpp.errors import GraphError
from segpp.inspection.board.boards import BOARDS
from segpp.inspection.board.estimate import estimate_file, estimate_sections
from tests.core.inspection.board.test_layers import model_of
from tests.helpers.commands import in_process

THOR = BOARDS["thor"]


def test_what_disappears_into_others_has_no_rate_at_best() -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], [1, 3, 64, 64])

    estimate = estimate_file(model, THOR)

    assert estimate.milliseconds[0] == 0
    assert estimate.milliseconds[1] > 0
    assert estimate_sections(estimate)


@pytest.mark.parametrize("shape", [["n", 3, "h", "w"], [0, 3, 64, 64]])
def test_a_file_without_anything_to_count_is_refused(shape: list[int]) -> None:
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], shape)

    with pytest.raises(GraphError, match=r"x\.onnx has nothing that can be counted"):
        estimate_file(model, THOR, name="x.onnx")


def test_a_graph_in_a_circle_is_refused_and_not_followed() -> None:
    nodes = [
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Identity", ["b"], ["a"]),
        helper.make_node("MatMul", ["b", "x"], ["y"]),
    ]
    model = model_of(nodes, [4, 4])
    for name in "ab":
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 4])
        model.graph.value_info.append(value)

    with pytest.raises(GraphError, match="damaged\n  'a' is read before it is made"):
        estimate_file(model, THOR)


def test_a_value_that_is_made_twice_is_refused() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["y"])]

    with pytest.raises(GraphError, match="'y' is made twice"):
        estimate_file(model_of(nodes, [4, 4]), THOR)


def test_shapes_that_contradict_an_operator_are_an_error() -> None:
    convolution = helper.make_node("Conv", ["x", "w"], ["y"], group=3)
    model = model_of([convolution], [1, 3, 8, 8], w=np.ones(15, np.float32))
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5, 8, 8])
    )

    with pytest.raises(GraphError, match="its shapes do not fit its operators"):
        estimate_file(model, THOR)


def test_the_command_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "open.onnx"
    onnx.save(model_of([helper.make_node("Relu", ["x"], ["y"])], ["n", 3, "h", "w"]), path)

    done = in_process("inspect", path, "--board", "thor")

    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {path} has nothing that can be counted")
