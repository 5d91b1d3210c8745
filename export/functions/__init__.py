"""The custom operators as ONNX functions of standard operators, one operator per module.

The function travels in the file beside its nodes: ONNX Runtime and TensorRT-RTX run it, TensorRT
takes the plugin of the same name instead. One function serves every node of its operator, so its
body computes all constants from the node's attributes; engines fold them when they load the file.
"""

from collections.abc import Callable, Iterable

from onnx import FunctionProto, NodeProto

from segpp.errors import GraphError
from segpp.scan import Registry

__all__ = ["FUNCTIONS", "FunctionFor", "functions_for"]

# Given all nodes of its operator in a file, returns the function for that file.
FunctionFor = Callable[[list[NodeProto]], FunctionProto]

FUNCTIONS: Registry[FunctionFor] = Registry(__name__, "custom operator", GraphError)


def functions_for(nodes: Iterable[NodeProto]) -> list[FunctionProto]:
    """Return one function for each custom operator among ``nodes``."""
    used: dict[str, list[NodeProto]] = {}
    for node in nodes:
        if node.op_type in FUNCTIONS:
            used.setdefault(node.op_type, []).append(node)
    return [FUNCTIONS[name](users) for name, users in sorted(used.items())]
