"""Weights multiplied for one node, and for nobody else."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from segpp.calib.graph.edit import Edit, edited, keeps_digits

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


@pytest.mark.parametrize(("factor", "fits"), [(2.0**13, True), (2.0**14, False), (2.0**-25, False)])
def test_what_half_precision_cannot_hold_is_told(
    model: onnx.ModelProto, factor: float, *, fits: bool
) -> None:
    """65,504 is the largest number, and 2^-24 the smallest."""
    [weight] = model.graph.initializer
    weight.CopyFrom(numpy_helper.from_array(np.array([[1, 2], [3, 4]], np.float16), "weight"))

    assert keeps_digits(model, [Edit("one", 1, np.float32([[factor]]))]) is fits


def test_factors_of_one_weight_are_taken_together(model: onnx.ModelProto) -> None:
    [weight] = model.graph.initializer
    weight.CopyFrom(numpy_helper.from_array(np.array([[1, 2], [3, 4]], np.float16), "weight"))
    half = Edit("one", 1, np.float32([[2.0**8]]))

    assert keeps_digits(model, [half])
    assert not keeps_digits(model, [half, half])


def test_the_smallest_weights_may_lose_what_the_largest_have_not(model: onnx.ModelProto) -> None:
    [weight] = model.graph.initializer
    small = np.array([[1, 1], [1, 1 + 2.0**-10]], np.float16) * np.float16(2.0**-14)
    small[0, 0] = 1
    weight.CopyFrom(numpy_helper.from_array(small, "weight"))

    assert keeps_digits(model, [Edit("one", 1, np.float32([[0.5]]))])
