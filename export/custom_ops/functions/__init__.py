"""The custom operators as ONNX functions of standard operators, one operator per module.

The function travels in the file beside its nodes: ONNX Runtime and TensorRT-RTX run it, TensorRT
takes the plugin of the same name instead. One function serves every node of its operator, so its
body computes what differs between them from the node's attributes; engines fold that when they
load the file.
"""

from collections.abc import Callable, Mapping

from onnx import FunctionProto, GraphProto, NodeProto

from segpp.errors import GraphError
from segpp.export.targets import ONNXRUNTIME, PORTABLE
from segpp.utils.registry import Registry

__all__ = ["FUNCTIONS", "FunctionFor", "Shapes", "functions_for"]

# Of the values of a graph, by name.
Shapes = Mapping[str, tuple[int, ...]]

# Given all nodes of its operator in a file and the shapes there, returns the function for it.
FunctionFor = Callable[[list[NodeProto], Shapes], FunctionProto]

FUNCTIONS: Registry[FunctionFor] = Registry(__name__, "custom operator", GraphError)


def functions_for(graph: GraphProto, target: str = PORTABLE) -> list[FunctionProto]:
    """Return one function for each custom operator among the nodes of ``graph``."""
    used: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        if node.op_type in FUNCTIONS:
            used.setdefault(node.op_type, []).append(node)
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in [*graph.input, *graph.value_info, *graph.output]
    }
    return [_function_for(name, target)(users, shapes) for name, users in sorted(used.items())]


def _function_for(name: str, target: str) -> FunctionFor:
    # Its members come from here, so it can be imported only once this module is.
    from segpp.export.custom_ops.functions.for_onnxruntime import FOR_ONNXRUNTIME  # noqa: PLC0415

    special = target == ONNXRUNTIME and name in FOR_ONNXRUNTIME
    return FOR_ONNXRUNTIME[name] if special else FUNCTIONS[name]
