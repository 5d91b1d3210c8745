"""Small changes to a copy of the file, for servers that take other outputs than ours."""

from collections.abc import Sequence

import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper

__all__ = ["shape_of", "type_name", "with_output"]


def with_output(
    model: ModelProto, nodes: Sequence[NodeProto], name: str, kind: int, shape: Sequence[int]
) -> bytes:
    """Return the bytes of a copy that computes ``nodes`` behind its outputs and gives ``name``.

    What only the other outputs needed is left out.

    Args:
        model: The file.
        nodes: Standard operators; the last one gives ``name``.
        name: Of the one output.
        kind: Its type, as ``TensorProto.FLOAT``.
        shape: Its shape.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    graph.node.extend(nodes)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, kind, list(shape)))
    _drop_unread(copy, name)
    return bytes(copy.SerializeToString())


def _drop_unread(model: ModelProto, name: str) -> None:
    graph = model.graph
    read = {name}
    kept = []
    for node in reversed(graph.node):
        if read & set(node.output):
            kept.append(node)
            read.update(node.input)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    for field in (graph.initializer, graph.value_info):
        wanted = [entry for entry in field if entry.name in read]
        del field[:]
        field.extend(wanted)
    called = {(node.domain, node.op_type) for node in kept}
    functions = [f for f in model.functions if (f.domain, f.name) in called]
    del model.functions[:]
    model.functions.extend(functions)


def type_name(kind: int) -> str:
    """Return the name of a tensor type, as ``FLOAT16``."""
    return str(TensorProto.DataType.Name(kind))


def shape_of(value: onnx.ValueInfoProto) -> list[int]:
    """Return the dimensions of an input or output."""
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]
