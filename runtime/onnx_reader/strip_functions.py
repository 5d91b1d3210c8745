"""An ONNX model without the functions that a plugin replaces.

TensorRT before 10.7 and from 10.15 on prefers a function in the file to a plugin of its name, so
whoever has the plugins takes the functions out before parsing. The runtime has no onnx package.

Source: onnx.proto3 of ONNX 1.16 (field numbers).
"""

from collections.abc import Collection

from segpp.errors import GraphError
from segpp.ops import CONTRACTS, DOMAIN
from segpp.runtime.onnx_reader.wire_format import Data, Record, Span, fields, records

__all__ = ["without_functions"]

_MODEL_FUNCTION = 25
_FUNCTION_NAME, _FUNCTION_DOMAIN = 1, 10


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
