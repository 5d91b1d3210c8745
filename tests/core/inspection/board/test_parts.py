"""Nodes are attributed by the names of the weights around them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from segpp.inspection.board.parts import parts_of


def parts(nodes: list[onnx.NodeProto], *weights: str) -> list[str]:
    constants = [numpy_helper.from_array(np.zeros(1, np.float32), name) for name in weights]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [value], [value], constants)
    return parts_of(helper.make_model(graph))


def node(operator: str, *inputs: str, out: str = "y", domain: str = "") -> onnx.NodeProto:
    return helper.make_node(operator, list(inputs), [out], domain=domain)


def test_a_node_is_of_the_part_that_its_weight_is_named_after() -> None:
    names = (
        "network.stages.0.patch_embed.conv.weight",
        "network.stages.0.blocks.1.attention.q.weight",
        "network.stages.0.blocks.1.ffn.fc1.weight",
        "network.head.classifier.weight",
    )

    found = parts([node("Conv", "x", name) for name in names], *names)

    assert found == ["patch embedding", "attention", "feed-forward", "head"]


def test_a_folded_weight_is_known_by_the_bias_behind_it() -> None:
    nodes = [
        node("MatMul", "x", "val_1", out="m"),
        node("Add", "m", "stages.0.blocks.0.attention.q.bias"),
    ]

    assert parts(nodes, "val_1", "stages.0.blocks.0.attention.q.bias") == ["attention"] * 2


def test_a_quantized_weight_is_known_through_its_dequantization() -> None:
    nodes = [
        node("DequantizeLinear", "stages.0.blocks.0.ffn.fc1.weight", "s", out="w"),
        node("Conv", "x", "w"),
    ]

    assert parts(nodes, "stages.0.blocks.0.ffn.fc1.weight", "s")[1] == "feed-forward"


def test_matching_and_resizing_do_not_name_what_follows_them() -> None:
    nodes = [
        node("Conv", "x", "stages.0.blocks.0.attention.q.weight"),
        node("SegppTokenMatch", "x", domain="segpp"),
        node("Softmax", "x"),
        node("Resize", "x"),
        node("Relu", "x"),
    ]

    found = parts(nodes, "stages.0.blocks.0.attention.q.weight")

    assert found == ["attention", "matching", "attention", "resize", "attention"]


def test_what_no_name_tells_of_is_other() -> None:
    assert parts([node("Conv", "x", "w")], "w") == ["other"]
