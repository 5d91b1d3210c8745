"""The nodes of our operators in an ONNX file, and how large their functions are.

    Model 7 graph, 25 functions          Graph 1 node
    Node 3 name, 4 op_type, 7 domain     Function 1 name, 7 node, 10 domain

Source: onnx.proto3 of ONNX 1.16 (field numbers).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from segpp.errors import GraphError
from segpp.ops import DOMAIN
from segpp.runtime.onnx_reader.wire_format import Data, Span, fields

__all__ = ["OwnNodes", "read_own_nodes"]

_GRAPH, _FUNCTION = 7, 25
_GRAPH_NODE, _FUNCTION_NODE = 1, 7
_NODE_NAME, _NODE_OPERATOR, _NODE_DOMAIN = 3, 4, 7
_FUNCTION_NAME, _FUNCTION_DOMAIN = 1, 10


@dataclass(frozen=True)
class OwnNodes:
    """What a file has of our operators.

    Args:
        nodes: The name and the operator of each node.
        functions: How many nodes each function has that the file defines for one.
    """

    nodes: tuple[tuple[str, str], ...]
    functions: dict[str, int]


def read_own_nodes(model: Data) -> OwnNodes:
    """Return the nodes and functions of our operators in a serialized ModelProto.

    Raises:
        GraphError: The bytes are no ONNX model, or only part of one.
    """
    nodes: list[tuple[str, str]] = []
    functions: dict[str, int] = {}
    try:
        for field, body in fields(model, (0, len(model))):
            if field == _GRAPH:
                nodes += _nodes(model, body)
            elif field == _FUNCTION and _text(model, body, _FUNCTION_DOMAIN) == DOMAIN:
                size = sum(inner == _FUNCTION_NODE for inner, _ in fields(model, body))
                functions[_text(model, body, _FUNCTION_NAME)] = size
    except (ValueError, IndexError) as failure:
        raise GraphError("the model is no ONNX, or only part of one", str(failure)) from failure
    return OwnNodes(tuple(nodes), functions)


def _nodes(model: Data, graph: Span) -> Iterator[tuple[str, str]]:
    for field, node in fields(model, graph):
        if field == _GRAPH_NODE and _text(model, node, _NODE_DOMAIN) == DOMAIN:
            yield _text(model, node, _NODE_NAME), _text(model, node, _NODE_OPERATOR)


def _text(model: Data, message: Span, wanted: int) -> str:
    spans = (span for field, span in fields(model, message) if field == wanted)
    return next((model[slice(*span)].decode(errors="replace") for span in spans), "")
