"""Counts against sums by hand, against the counter of the whole file, and against the family's."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from segpp.inspection.board.layers import Layer, count_layers, peak_activations, weight_bytes

HALVES = {"fp32": 4, "fp16": 2}


def model_of(
    nodes: list[onnx.NodeProto], shape: list[int], **weights: np.ndarray
) -> onnx.ModelProto:
    """Return a graph from ``x`` of ``shape`` to ``y``."""
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "counted", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def counted(model: onnx.ModelProto, assumed: str | None = None) -> list[Layer]:
    layers, unknown = count_layers(model, assumed=assumed)
    assert unknown == []
    return layers


@pytest.mark.parametrize(("assumed", "width"), [(None, 4), ("fp32", 4), ("fp16", 2)])
def test_a_product_multiplies_and_moves_what_its_shapes_say(
    assumed: str | None, width: int
) -> None:
    weight = np.ones((64, 96), np.float32)
    model = model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], [1, 10, 64], w=weight)

    [layer] = counted(model, assumed)

    assert layer.macs == 10 * 64 * 96
    assert layer.most == layer.least == width * (10 * 64 + 64 * 96 + 10 * 96)
    assert layer.tensor_cores


def test_in_int8_a_weighted_product_reads_bytes_and_writes_halves() -> None:
    weight = np.ones((64, 96), np.float32)
    model = model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], [1, 10, 64], w=weight)

    [layer] = counted(model, "int8")

    assert layer.precision == "int8"
    assert layer.most == 10 * 64 + 64 * 96 + 2 * 10 * 96
    assert weight_bytes(model, assumed="int8") == 64 * 96
    assert weight_bytes(model) == 4 * 64 * 96


def test_products_of_two_activations_stay_float_in_int8() -> None:
    nodes = [helper.make_node("MatMul", ["x", "x"], ["y"])]

    [layer] = counted(model_of(nodes, [1, 64, 64]), "int8")

    assert layer.precision == "fp16"


def test_a_quantized_file_is_counted_as_it_is_written() -> None:
    scale, zero = np.float32(0.1), np.int8(0)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["dw"]),
        helper.make_node("MatMul", ["d", "dw"], ["y"]),
    ]
    weight = np.ones((64, 96), np.int8)
    model = model_of(nodes, [1, 10, 64], w=weight, s=np.asarray(scale), z=np.asarray(zero))

    layers = {layer.operator: layer for layer in counted(model)}

    assert layers["MatMul"].precision == "int8"
    assert layers["MatMul"].least == 10 * 64 + 64 * 96 + 4 * 10 * 96
    assert layers["QuantizeLinear"].least == 0


def test_depthwise_convolutions_run_on_cuda_cores() -> None:
    weight = np.ones((8, 1, 3, 3), np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=8, pads=[1, 1, 1, 1])

    [layer] = counted(model_of([node], [1, 8, 16, 16], w=weight), "int8")

    assert not layer.tensor_cores
    assert layer.precision == "fp16"
    assert layer.macs == 8 * 16 * 16 * 9


def test_the_scores_of_attention_are_moved_at_most_and_not_at_least() -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["k"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "k"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "x"], ["y"]),
    ]

    first, soft, second = counted(model_of(nodes, [1, 100, 8]))[1:]

    tokens, scores = 100 * 8 * 4, 100 * 100 * 4
    assert first.least == 2 * tokens
    assert first.most == 2 * tokens + scores
    assert (soft.least, soft.most) == (0, 2 * scores)
    assert second.least == 2 * tokens
    assert second.most == 2 * tokens + scores


def test_what_is_added_to_a_product_is_read_and_nothing_else() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Relu", ["x"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]

    added = counted(model_of(nodes, [1, 100]))[-1]

    assert (added.least, added.most) == (400, 1200)


def test_views_move_nothing_and_are_no_layers() -> None:
    shape = np.asarray([4, 25], np.int64)
    model = model_of([helper.make_node("Reshape", ["x", "s"], ["y"])], [1, 100], s=shape)

    assert counted(model) == []


def test_activations_are_alive_from_their_maker_to_their_last_reader() -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["y"]),
    ]

    # Two at a time: what is read and what is written.
    assert peak_activations(model_of(nodes, [1, 100])) == 2 * 400


def test_an_operator_without_known_shapes_is_named() -> None:
    nodes = [helper.make_node("Mystery", ["x"], ["m"]), helper.make_node("Relu", ["m"], ["y"])]

    layers, unknown = count_layers(model_of(nodes, [1, 4]))

    assert layers == []
    assert unknown == ["Mystery", "Relu"]
