"""Which operators an ONNX file is made of, found without the onnx package.

    Model 7 graph, 8 opset_import      OperatorSetId 1 domain
    Graph 1 node                       Node 1 input, 2 output, 4 op_type

Source: onnx.proto3 of ONNX 1.16 (field numbers).
"""

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from segpp.errors import GraphError
from segpp.runtime.onnx_reader.wire_format import Data, Span, fields

__all__ = ["SHAPING", "operator_sets", "origin_of"]

# What moves values about, or changes their type and size, without changing what they mean.
SHAPING = frozenset(
    {"AveragePool", "Cast", "CastLike", "Clip", "Concat", "DequantizeLinear", "Expand", "Flatten"}
    | {"Gather", "Identity", "MaxPool", "Pad", "QuantizeLinear", "Reshape", "Resize", "Slice"}
    | {"Split", "Squeeze", "Transpose", "Unsqueeze", "Upsample"}
)

_MODEL_GRAPH, _MODEL_OPSET = 7, 8
_GRAPH_NODE = 1
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR = 1, 2, 4
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


def origin_of(path: Path, value: str) -> str | None:
    """Return the operator that computed a value, before anything in ``SHAPING`` moved it about.

    None where a value of the graph's inputs or weights is moved about.

    Raises:
        GraphError: It is not an ONNX file, or only part of one.
    """
    producers, name = _read(path, _producers), value
    # A graph has no circles, but bytes may describe one.
    for _ in range(len(producers)):
        operator, source = producers.pop(name, (None, None))
        if operator not in SHAPING or source is None:
            return operator
        name = source
    return None


def _producers(data: Data, everything: Span) -> dict[str, tuple[str | None, str | None]]:
    """Return the operator and its first input by each value that it gives."""
    graphs = [span for field, span in fields(data, everything) if field == _MODEL_GRAPH]
    found: dict[str, tuple[str | None, str | None]] = {}
    for graph in graphs:
        for field, node in fields(data, graph):
            if field == _GRAPH_NODE:
                inside = list(fields(data, node))
                source = next(
                    (_string(data, at) for kind, at in inside if kind == _NODE_INPUT), None
                )
                made = (_text(data, node, _NODE_OPERATOR), source)
                outputs = [_string(data, at) for kind, at in inside if kind == _NODE_OUTPUT]
                found |= {name: made for name in outputs if name not in found}
    return found


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
