"""How large an ONNX file becomes once its functions are written out.

Every reader inlines functions, and one that calls another twice, that another twice, and so on for
25 functions, becomes 33 million nodes: minutes and gigabytes. So the nodes are counted first, each
function once, without building anything.

    Model 7 graph, 25 functions         Graph 1 node
    Function 1 name, 7 node, 10 domain, 13 overload
    Node 4 op_type, 5 attribute, 7 domain, 8 overload
    Attribute 6 g, 11 graphs

Source: onnx.proto3 of ONNX 1.16 (field numbers).
"""

import mmap
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from segpp.errors import GraphError
from segpp.runtime.onnx_reader.wire_format import Data, Span, fields

__all__ = ["MOST_NODES", "check_expansion"]

# A B5 with every operator of ours written out has some 10,000.
MOST_NODES = 1_000_000

_Name = tuple[bytes, bytes, bytes]  # domain, name, overload

_GRAPH, _FUNCTION = 7, 25
_NODE_OF_GRAPH, _NODE_OF_FUNCTION = 1, 7
_ATTRIBUTE, _SUBGRAPHS = 5, (6, 11)
_FUNCTION_NAME, _NODE_NAME = (10, 1, 13), (7, 4, 8)


def check_expansion(path: Path) -> None:
    """Check that a file stays readable once its functions are inlined.

    Only for a file that ``check_weights_inside`` has passed.

    Raises:
        GraphError: It would have too many nodes, or a function calls itself.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        model = list(fields(data, (0, len(data))))
        functions = {
            _name(data, body, _FUNCTION_NAME): _calls(data, body, _NODE_OF_FUNCTION)
            for field, body in model
            if field == _FUNCTION
        }
        if not functions:
            return
        graph: Counter[_Name] = Counter()
        for field, body in model:
            if field == _GRAPH:
                graph += _calls(data, body, _NODE_OF_GRAPH)
    try:
        nodes = _expanded(graph, _sizes(functions))
    except RecursionError as failure:
        raise GraphError(f"a function of {path} calls itself") from failure
    if nodes > MOST_NODES:
        raise GraphError(
            f"{path} is larger than it looks: its functions call each other too often",
            f"written out it has {nodes:.3g} nodes; at most {MOST_NODES:,} are read",
        )


def _sizes(functions: Mapping[_Name, Counter[_Name]]) -> Mapping[_Name, int]:
    """Return the nodes of every function, those of the functions that it calls included."""
    sizes: dict[_Name, int] = {}

    def size(name: _Name) -> int:
        if name not in sizes:
            calls = functions[name]
            inner = sum(count * size(one) for one, count in calls.items() if one in functions)
            sizes[name] = calls.total() + inner
        return sizes[name]

    for name in functions:
        size(name)
    return sizes


def _expanded(calls: Counter[_Name], sizes: Mapping[_Name, int]) -> int:
    return sum(count * (1 + sizes.get(name, 0)) for name, count in calls.items())


def _calls(data: Data, span: Span, node_field: int) -> Counter[_Name]:
    """Return how often each operator occurs in a graph or function, its inner graphs included."""
    return Counter(_name(data, node, _NODE_NAME) for node in _nodes(data, span, node_field))


def _nodes(data: Data, span: Span, node_field: int) -> Iterator[Span]:
    for field, node in fields(data, span):
        if field == node_field:
            yield node
            for inner in _subgraphs(data, node):
                yield from _nodes(data, inner, _NODE_OF_GRAPH)


def _subgraphs(data: Data, node: Span) -> Iterator[Span]:
    for field, attribute in fields(data, node):
        if field == _ATTRIBUTE:
            yield from (body for inner, body in fields(data, attribute) if inner in _SUBGRAPHS)


def _name(data: Data, span: Span, parts: tuple[int, int, int]) -> _Name:
    texts = {field: data[start:end] for field, (start, end) in fields(data, span) if field in parts}
    domain, name, overload = (texts.get(part, b"") for part in parts)
    # Two spellings of ONNX's own domain.
    return (b"" if domain == b"ai.onnx" else domain, name, overload)
