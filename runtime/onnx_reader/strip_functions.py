"""An ONNX model without the functions that a plugin replaces, or with ones that none replaces.

TensorRT before 10.7 and from 10.15 on prefers a function in the file to a plugin of its name, so
whoever has the plugins takes the functions out before parsing. The runtime has no onnx package.

From 10.7 to 10.14, and wherever a node has the attribute ``plugin_namespace``, a plugin that is
loaded is taken although the file has the function. Where the function is wanted all the same, it
and its nodes get a name that no plugin has.

Source: onnx.proto3 of ONNX 1.16 (field numbers).
"""

from collections.abc import Collection, Iterator

from segpp.errors import GraphError
from segpp.ops import CONTRACTS, DOMAIN
from segpp.runtime.onnx_reader.wire_format import Data, Record, Span, fields, records

__all__ = ["with_local_names", "without_functions"]

_MODEL_GRAPH, _MODEL_FUNCTION = 7, 25
_GRAPH_NODE = 1
_NODE_OPERATOR, _NODE_DOMAIN = 4, 7
_FUNCTION_NAME, _FUNCTION_DOMAIN = 1, 10

# What all of our operators begin with, and what stands there instead; as long as each other, so
# that nothing else in the file has to change.
_PREFIX, _LOCAL = b"Segpp", b"Local"


def without_functions(model: Data, names: Collection[str] = tuple(CONTRACTS)) -> bytes:
    """Return an ONNX model without those of our functions that are called ``names``.

    The nodes that call them stay, and so does every other byte.

    Args:
        model: A serialized ModelProto.
        names: Operators, all of ours by default.

    Raises:
        GraphError: The bytes are no ONNX model, or only part of one.
    """
    try:
        kept = [
            record.extent
            for record in records(model, (0, len(model)))
            if not _is_replaced(model, record, names)
        ]
    except ValueError as failure:
        raise GraphError("the model is no ONNX, or only part of one", str(failure)) from failure
    return b"".join(model[start:end] for start, end in kept)


def with_local_names(model: Data, names: Collection[str]) -> bytes:
    """Return an ONNX model in which those of our operators that are called ``names`` are no longer.

    ``SegppResizeArgmax`` becomes ``LocalResizeArgmax``, the nodes and the function alike, so that
    the function is taken whatever plugins are loaded.

    Args:
        model: A serialized ModelProto.
        names: Operators.

    Raises:
        GraphError: The bytes are no ONNX model, or only part of one.
    """
    renamed = bytearray(model)
    try:
        for start in _places(model, names):
            renamed[start : start + len(_LOCAL)] = _LOCAL
    except ValueError as failure:
        raise GraphError("the model is no ONNX, or only part of one", str(failure)) from failure
    return bytes(renamed)


def _places(model: Data, names: Collection[str]) -> Iterator[int]:
    """Yield where the name of each operator begins, in the nodes that call it and its function."""
    for field, body in fields(model, (0, len(model))):
        if field == _MODEL_FUNCTION:
            yield from _place(model, body, names, _FUNCTION_NAME, _FUNCTION_DOMAIN)
        elif field == _MODEL_GRAPH:
            for inner, node in fields(model, body):
                if inner == _GRAPH_NODE:
                    yield from _place(model, node, names, _NODE_OPERATOR, _NODE_DOMAIN)


def _place(
    model: Data, message: Span, names: Collection[str], name: int, domain: int
) -> Iterator[int]:
    spans = {field: span for field, span in fields(model, message) if field in {name, domain}}
    if len(spans) == 2 and _text(model, spans[domain]) == DOMAIN:  # noqa: PLR2004 - both
        start = spans[name][0]
        if _text(model, spans[name]) in names and model[start : start + len(_PREFIX)] == _PREFIX:
            yield start


def _is_replaced(model: Data, record: Record, names: Collection[str]) -> bool:
    if record.field != _MODEL_FUNCTION or record.body is None:
        return False
    texts = {
        field: _text(model, span)
        for field, span in fields(model, record.body)
        if field in {_FUNCTION_NAME, _FUNCTION_DOMAIN}
    }
    return texts.get(_FUNCTION_DOMAIN) == DOMAIN and texts.get(_FUNCTION_NAME) in names


def _text(model: Data, span: Span) -> str:
    return model[slice(*span)].decode(errors="replace")
