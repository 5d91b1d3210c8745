"""Which operators an ONNX file is made of, found without the onnx package.

    Model 7 graph, 8 opset_import      OperatorSetId 1 domain
    Graph 1 node                       Node 2 output, 4 op_type

Source: onnx.proto3 of ONNX 1.16 (field numbers).
"""

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from segpp.errors import GraphError
from segpp.runtime.onnx_reader.wire_format import Data, Span, fields

__all__ = ["operator_sets", "producer_of"]

_MODEL_GRAPH, _MODEL_OPSET = 7, 8
_GRAPH_NODE = 1
_NODE_OUTPUT, _NODE_OPERATOR = 2, 4
_OPSET_DOMAIN = 1

T = TypeVar("T")


def operator_sets(path: Path) -> frozenset[str]:
    """Return the domains of the operator sets that a file names; "" are ONNX's own.

    Raises:
        GraphError: It is not an ONNX file, or only part of one.
    """

    def domains(data: Data, everything: Span) -> frozenset[str]:
        sets = [span for field, span in fields(data, everything) if field == _MODEL_OPSET]
        return frozenset(_text(data, span, _OPSET_DOMAIN) for span in sets)

    return _read(path, domains)


def producer_of(path: Path, value: str) -> str | None:
    """Return the operator that gives the value of that name in a file's graph, if one does.

    Raises:
        GraphError: It is not an ONNX file, or only part of one.
    """

    def operator(data: Data, everything: Span) -> str | None:
        graphs = [span for field, span in fields(data, everything) if field == _MODEL_GRAPH]
        nodes = (
            span for graph in graphs for field, span in fields(data, graph) if field == _GRAPH_NODE
        )
        for node in nodes:
            outputs = [
                _string(data, span) for field, span in fields(data, node) if field == _NODE_OUTPUT
            ]
            if value in outputs:
                return _text(data, node, _NODE_OPERATOR)
        return None

    return _read(path, operator)


def _read(path: Path, find: Callable[[Data, Span], T]) -> T:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return find(data, (0, len(data)))
        except (ValueError, IndexError) as failure:
            raise GraphError(
                f"{path} is not an ONNX file, or only part of one", str(failure)
            ) from failure


def _text(data: Data, span: Span, wanted: int) -> str:
    return next(
        (_string(data, inner) for field, inner in fields(data, span) if field == wanted), ""
    )


def _string(data: Data, span: Span) -> str:
    return data[slice(*span)].decode(errors="replace")
