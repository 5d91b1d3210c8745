"""A file of half precision as FP32 with every half rounded: what an engine computes, on a CPU.

ONNX Runtime computes halves in FP32 on a CPU and leaves out the roundings between two operators:
what overflows on a GPU passes unseen there, and of BF16 it has hardly any operator. In this copy
each half is an FP32 number that two Casts round, which it does carry out.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

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
    halves = {
        value.name: value.type.tensor_type.elem_type
        for value in values
        if value.type.tensor_type.elem_type in _HALVES
    }
    nodes = [*_widened_inputs(graph), *_rounded_nodes(graph, halves)]
    for value in values:
        if value.name in halves:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.node[:]
    graph.node.extend(nodes)
    # Constants are rounded already.
    for tensor in graph.initializer:
        if tensor.data_type in _HALVES:
            wide = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    return copy


def _widened_inputs(graph: GraphProto) -> list[NodeProto]:
    """Let everything read inputs of halves, which are rounded already, as FP32."""
    casts = []
    for value in graph.input:
        if value.type.tensor_type.elem_type in _HALVES:
            wide = f"{value.name}_wide"
            casts.append(_cast(value.name, wide, TensorProto.FLOAT))
            for node in graph.node:
                node.input[:] = [wide if name == value.name else name for name in node.input]
    return casts


def _rounded_nodes(graph: GraphProto, halves: Mapping[str, int]) -> Iterator[NodeProto]:
    """Yield the nodes, behind each that gives a half the two Casts that round it."""
    for node in graph.node:
        yield node
        for place, name in enumerate(node.output):
            if name in halves:
                node.output[place] = f"{name}_exact"
                yield _cast(f"{name}_exact", f"{name}_rounded", halves[name])
                yield _cast(f"{name}_rounded", name, TensorProto.FLOAT)
        if node.op_type == "Cast" and node.attribute[0].i in _HALVES:
            node.attribute[0].i = TensorProto.FLOAT


def _cast(name: str, cast: str, kind: int) -> NodeProto:
    return onnx.helper.make_node("Cast", [name], [cast], f"Cast_{cast}", to=kind)
