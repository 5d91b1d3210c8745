"""Weights outside the file may lie beside it, and nowhere else."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from segpp.errors import GraphError
from segpp.runtime.onnx_reader.external_data import check_weights_inside


def outside(location: str) -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("offset", "0"), ("location", location), ("length", "16")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def in_initializer(tensor: TensorProto) -> onnx.ModelProto:
    return model([helper.make_node("Add", ["x", "w"], ["y"])], [tensor])


def in_constant(tensor: TensorProto) -> onnx.ModelProto:
    return model([helper.make_node("Constant", [], ["y"], value=tensor)])


def in_branch(tensor: TensorProto) -> onnx.ModelProto:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["z"])], "branch", [], [info("z")], [tensor]
    )
    return model([helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)])


def in_function(tensor: TensorProto) -> onnx.ModelProto:
    made = model([helper.make_node("F", [], ["y"], domain="d")])
    constant = helper.make_node("Constant", [], ["y"], value=tensor)
    made.functions.append(
        helper.make_function("d", "F", [], ["y"], [constant], [helper.make_opsetid("", 18)])
    )
    return made


def in_sparse(tensor: TensorProto) -> onnx.ModelProto:
    made = model([helper.make_node("Identity", ["x"], ["y"])])
    made.graph.sparse_initializer.add().values.CopyFrom(tensor)
    return made


def model(nodes: list[onnx.NodeProto], weights: list[TensorProto] | None = None) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", [info("x")], [info("y")], weights or [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def info(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [4])


@pytest.mark.parametrize("place", ["/etc/passwd", "../secret.bin", "in/../../secret.bin"])
@pytest.mark.parametrize("hide", [in_initializer, in_constant, in_branch, in_function, in_sparse])
def test_a_reference_out_of_the_folder_is_found_wherever_it_hides(
    tmp_path: Path, hide: object, place: str
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(hide(outside(place)).SerializeToString())  # type: ignore[operator]

    with pytest.raises(GraphError, match=f"weights outside its folder: '{place}'"):
        check_weights_inside(path)


def test_a_link_out_of_the_folder_is_no_way_round(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    np.zeros(4, np.float32).tofile(tmp_path / "secret.bin")
    (folder / "w.bin").symlink_to(tmp_path / "secret.bin")
    path = folder / "net.onnx"
    path.write_bytes(in_initializer(outside("w.bin")).SerializeToString())

    with pytest.raises(GraphError, match="weights outside its folder"):
        check_weights_inside(path)


def test_weights_beside_the_file_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(in_initializer(outside("weights/w.bin")).SerializeToString())

    check_weights_inside(path)


def test_graphs_within_graphs_end_somewhere(tmp_path: Path) -> None:
    """Written by hand: protobuf itself refuses to build it."""
    graph = b""
    for _ in range(5000):
        graph = field(1, field(5, field(6, graph)))  # graph <- attribute <- node
    path = tmp_path / "deep.onnx"
    path.write_bytes(field(7, graph))

    with pytest.raises(GraphError, match="nested deeper than 100"):
        check_weights_inside(path)


def field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 127:
        size, length = size >> 7, length + bytes([size & 127 | 128])
    return bytes([number << 3 | 2]) + length + bytes([size]) + content
