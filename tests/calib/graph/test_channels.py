"""Channels followed through a graph, up to the products that they enter."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from segpp.calib.graph.channels import Follower, Use
from segpp.calib.graph.shapes import shapes_of
from segpp.calib.graph.wiring import wiring_of

HEAD = '<ir_version: 8, opset_import: ["" : 17, "segpp" : 1, "com.microsoft" : 1]>\nnet '


def uses(text: str, tensor: str = "x", axis: int = -1) -> tuple[Use, ...] | None:
    model = onnx.parser.parse_model(HEAD + text)
    # Of the weights only the shape matters.
    shape = shapes_of(model)["w"]
    model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), "w"))
    shapes = shapes_of(model)
    outputs = frozenset(output.name for output in model.graph.output)
    follower = Follower(wiring_of(model.graph), shapes, outputs)
    return follower.uses(tensor, follower.channels_of(tensor, axis))


def test_space_to_depth_repeats_the_channels() -> None:
    found = uses("""(float[1,4,2] x) => (float[1,1,3] y)
        <int64[5] tall = {1, 2, 2, 1, 2}, int64[3] flat = {1, 1, 8}, float[8,3] w> {
            tiles = Reshape(x, tall)
            turned = Transpose<perm=[0, 3, 1, 2, 4]>(tiles)
            rows = Reshape(turned, flat)
            y = MatMul(rows, w)
        }""")

    assert found is not None
    [use] = found
    assert (use.tensor, use.channels.tolist()) == ("rows", [0, 1] * 4)


def test_a_transpose_leads_to_a_convolution() -> None:
    found = uses("""(float[1,4,2] x) => (float[1,3,2,2] y)
        <int64[4] tall = {1, 2, 2, 2}, float[3,2,1,1] w> {
            image = Reshape(x, tall)
            planes = Transpose<perm=[0, 3, 1, 2]>(image)
            y = Conv(planes, w)
        }""")

    assert found is not None
    assert [use.channels.tolist() for use in found] == [[0, 1]]


def test_a_reshape_that_mixes_channels_ends_the_way() -> None:
    assert (
        uses("""(float[1,4,2] x) => (float[1,2,3] y)
        <int64[3] other = {1, 2, 4}, float[4,3] w> {
            turned = Transpose<perm=[0, 2, 1]>(x)
            rows = Reshape(turned, other)
            y = MatMul(rows, w)
        }""")
        is None
    )


@pytest.mark.parametrize(
    "other",
    [
        "y = MatMul(x, w) z = Relu(x)",
        "y = MatMul(x, w) z = Add(x, x)",
        "y = MatMul(x, w) z = Identity(x)",
    ],
)
def test_another_user_ends_the_way(other: str) -> None:
    found = uses(
        f"(float[1,4,2] x) => (float[1,4,3] y, float[1,4,2] z) <float[2,3] w> {{ {other} }}"
    )

    assert found is None


def test_values_pass_attention_and_keys_do_not() -> None:
    text = """(float[1,2,4,3] q, float[1,2,3,5] k, float[1,2,5,3] v) => (float[1,4,7] y)
        <int64[3] flat = {1, 4, 6}, float[6,7] w> {
            scores = MatMul(q, k)
            shares = Softmax(scores)
            heads = MatMul(shares, v)
            turned = Transpose<perm=[0, 2, 1, 3]>(heads)
            rows = Reshape(turned, flat)
            y = MatMul(rows, w)
        }"""

    values = uses(text, "v")

    assert values is not None
    assert [use.channels.tolist() for use in values] == [[0, 1, 2] * 2]
    assert uses(text, "k", 2) is None
    assert uses(text, "q") is None


def test_groups_of_several_channels_end_the_way() -> None:
    text = """(float[1,4,2,2] x) => (float[1,4,2,2] y) <float[4,WIDTH,1,1] w> {
            y = Conv<group=GROUPS>(x, w)
        }"""

    def grouped(groups: int, width: int) -> tuple[Use, ...] | None:
        return uses(text.replace("WIDTH", str(width)).replace("GROUPS", str(groups)), axis=1)

    assert grouped(4, 1) is not None
    assert grouped(2, 2) is None
