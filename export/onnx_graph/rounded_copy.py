"""A file of half precision as FP32 with every half rounded: what an engine computes, on a CPU.

ONNX Runtime computes halves in FP32 on a CPU and leaves out the roundings between two operators:
what overflows on a GPU passes unseen there, and of BF16 it has hardly any operator. In this copy
each half is an FP32 number that two Casts round, which it does carry out.
"""

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

__all__ = ["rounded_copy"]

_HALVES = frozenset({TensorProto.FLOAT16, TensorProto.BFLOAT16})


def rounded_copy(model: ModelProto) -> ModelProto:
    """Return a graph of FP32 that gives what the file gives where every half is rounded.

    Inside a function of the file nothing is rounded; what it returns is.

    Args:
        model: A file of FP16 or BF16 with the type of every value known.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    values = [*graph.value_info, *graph.output]
    kinds = {v.name: v.type.tensor_type.elem_type for v in values}
    halves = {name: kind for name, kind in kinds.items() if kind in _HALVES}
    nodes: list[NodeProto] = []
    # 1. An input of halves becomes FP32 first: it is rounded already.
    for value in graph.input:
        if value.type.tensor_type.elem_type in _HALVES:
            nodes.append(_cast(value.name, f"{value.name}_wide", TensorProto.FLOAT))
            _read_instead(graph, value.name, f"{value.name}_wide")
    # 2. Every half that a node gives is computed in FP32 and rounded.
    for node in graph.node:
        nodes.append(node)
        for place, name in enumerate(node.output):
            if name in halves:
                node.output[place] = f"{name}_exact"
                nodes += [
                    _cast(f"{name}_exact", f"{name}_rounded", halves[name]),
                    _cast(f"{name}_rounded", name, TensorProto.FLOAT),
                ]
        if node.op_type == "Cast" and node.attribute[0].i in _HALVES:
            node.attribute[0].i = TensorProto.FLOAT
    for value in values:
        if value.name in halves:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.node[:]
    graph.node.extend(nodes)
    # 3. Constants are rounded already.
    for tensor in graph.initializer:
        if tensor.data_type in _HALVES:
            wide = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    return copy


def _cast(name: str, cast: str, kind: int) -> NodeProto:
    return onnx.helper.make_node("Cast", [name], [cast], f"Cast_{cast}", to=kind)


def _read_instead(graph: onnx.GraphProto, name: str, other: str) -> None:
    for node in graph.node:
        node.input[:] = [other if one == name else one for one in node.input]
