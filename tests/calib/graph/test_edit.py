"""Weights multiplied for one node, and for nobody else."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from segpp.calib.graph.edit import Edit, edited

GRAPH = """<ir_version: 8, opset_import: ["" : 17]>
net (float[1,2] x) => (float[1,2] one, float[1,2] other)
<float[2,2] weight = {1, 2, 3, 4}> {
    one = MatMul(x, weight)
    other = MatMul(x, weight)
}"""


@pytest.fixture
def model() -> onnx.ModelProto:
    model = onnx.parser.parse_model(GRAPH)
    for node in model.graph.node:
        node.name = node.output[0]
    return model


def weight_of(model: onnx.ModelProto, name: str) -> list[list[float]]:
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    node = next(node for node in model.graph.node if node.name == name)
    values: list[list[float]] = numpy_helper.to_array(weights[node.input[1]]).tolist()
    return values


def test_others_that_take_the_weight_keep_it(model: onnx.ModelProto) -> None:
    changed = edited(model, [Edit("one", 1, np.array([[2], [1]], np.float32))])

    assert weight_of(changed, "one") == [[2, 4], [3, 4]]
    assert weight_of(changed, "other") == weight_of(model, "other")
    onnx.checker.check_model(changed)


def test_edits_of_one_weight_add_up(model: onnx.ModelProto) -> None:
    rows, columns = np.array([[2], [1]], np.float32), np.array([1, 4], np.float32)

    changed = edited(model, [Edit("one", 1, rows), Edit("one", 1, columns), Edit("other", 1, rows)])

    assert weight_of(changed, "one") == [[2, 16], [3, 16]]
    assert weight_of(changed, "other") == [[2, 4], [3, 4]]


def test_the_model_itself_stays_as_it_is(model: onnx.ModelProto) -> None:
    before = model.SerializeToString()

    edited(model, [Edit("one", 1, np.float32(2) * np.ones((2, 2), np.float32))])

    assert model.SerializeToString() == before


def test_a_copy_is_named_like_the_weight(model: onnx.ModelProto) -> None:
    """What a weight is called tells which module it came from."""
    changed = edited(model, [Edit("one", 1, np.ones(2, np.float32))])

    assert all(tensor.name.endswith("weight") for tensor in changed.graph.initializer)
