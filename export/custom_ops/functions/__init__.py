"""The custom operators as ONNX functions of standard operators, one operator per module.

The function travels in the file beside its nodes: ONNX Runtime and TensorRT-RTX run it, TensorRT
takes the plugin of the same name instead. One function serves every node of its operator, so its
body computes what differs between them from the node's attributes; engines fold that when they
load the file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from onnx import FunctionProto, GraphProto, NodeProto

from segpp.errors import GraphError
from segpp.export.targets import PORTABLE
from segpp.utils.registry import Registry

__all__ = ["FUNCTIONS", "FunctionFor", "OperatorUses", "functions_for"]


@dataclass(frozen=True)
class OperatorUses:
    """How a file uses one operator, which is what its function may rely on.

    Attributes:
        nodes: All nodes of the operator in the file.
        shapes: The shapes of the graph's values, by name.
        target: The dialect of the file, one of ``segpp.export.targets.TARGETS``.
    """

    nodes: list[NodeProto]
    shapes: Mapping[str, tuple[int, ...]]
    target: str = PORTABLE

    def all_have(self, attribute: str) -> bool:
        """Return whether an integer attribute is set and not zero at every node."""
        return all(_is_set(node, attribute) for node in self.nodes)

    def any_has(self, attribute: str) -> bool:
        """Return whether an integer attribute is set and not zero at some node."""
        return any(_is_set(node, attribute) for node in self.nodes)


FunctionFor = Callable[[OperatorUses], FunctionProto]

FUNCTIONS: Registry[FunctionFor] = Registry(__name__, "custom operator", GraphError)


def functions_for(graph: GraphProto, target: str = PORTABLE) -> list[FunctionProto]:
    """Return one function for each custom operator among the nodes of ``graph``, sorted by name.

    Raises:
        GraphError: The nodes of an operator cannot share one function.
    """
    used: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        if node.op_type in FUNCTIONS:
            used.setdefault(node.op_type, []).append(node)
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in [*graph.input, *graph.value_info, *graph.output]
    }
    return [
        FUNCTIONS[name](OperatorUses(nodes, shapes, target)) for name, nodes in sorted(used.items())
    ]


def _is_set(node: NodeProto, attribute: str) -> bool:
    return any(a.name == attribute and a.i for a in node.attribute)
