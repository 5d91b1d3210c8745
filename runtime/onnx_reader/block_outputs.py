"""What each block of a network gives, found and shown without the onnx package.

    Model 7 graph        Graph 1 node, 12 output
    Node 1 input, 2 output, 4 op_type        ValueInfo 1 name

A block begins with a LayerNormalization, whose weight is called after its place in the network:
what that takes is what the block before it gives. A value becomes an output by one more field at
the file's end, since a message that comes in two parts is read as both together.

Source: onnx.proto3 of ONNX 1.16 (field numbers); Protocol Buffers, Encoding, "Last One Wins".
"""

import mmap
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from segpp.errors import GraphError
from segpp.runtime.onnx_reader.wire_format import Data, Span, fields

__all__ = ["block_outputs", "with_outputs"]

_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_OUTPUT = 7, 1, 12
_NODE_INPUT, _NODE_OPERATOR, _VALUE_NAME = 1, 4, 1
_BYTES = 2  # the wire type of what has a length
_NORM = b"LayerNormalization"
_FIRST_NORM = re.compile(rb"stages\.(\d+)\.blocks\.(\d+)\.norm1\b")
_STAGE_NORM = re.compile(rb"stages\.(\d+)\.norm\b")
_SEVEN_BITS = 0x7F


def block_outputs(path: Path) -> dict[str, str]:
    """Return the name of what each block gives, by its place ("stage 1 block 2"), in order.

    Raises:
        GraphError: It is not an ONNX file, or its names do not tell its blocks.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            found = dict(_places(_norms(data)))
        except (ValueError, IndexError) as failure:
            raise GraphError(
                f"{path} is not an ONNX file, or only part of one", str(failure)
            ) from failure
    if not found:
        raise GraphError(
            f"the names in {path} do not tell its blocks", hint="segpp-export writes files that do"
        )
    return found


def with_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """Return a model that gives values from inside it too.

    Args:
        model: A serialized ModelProto.
        names: The values, none of them an output already.
    """
    values = (_message(_VALUE_NAME, name.encode()) for name in names)
    outputs = b"".join(_message(_GRAPH_OUTPUT, value) for value in values)
    return model + _message(_MODEL_GRAPH, outputs)


def _norms(data: Data) -> Iterator[tuple[bytes, bytes]]:
    """Yield what every LayerNormalization takes, and the name of its weight."""
    for field, graph in fields(data, (0, len(data))):
        if field != _MODEL_GRAPH:
            continue
        for kind, node in fields(data, graph):
            if kind == _GRAPH_NODE and _texts(data, node, _NODE_OPERATOR) == [_NORM]:
                taken, weight, *_ = [*_texts(data, node, _NODE_INPUT), b"", b""]
                yield taken, weight


def _places(norms: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    stage, block = 0, 0
    for taken, weight in norms:
        if found := _FIRST_NORM.search(weight):
            # It takes what the block before it gives, or the first of a stage its patches.
            stage, block = int(found[1]) + 1, int(found[2]) + 1
            place = f"stage {stage} block {block - 1}" if block > 1 else f"stage {stage} patches"
            yield place, taken.decode(errors="replace")
        elif _STAGE_NORM.search(weight):
            yield f"stage {stage} block {block}", taken.decode(errors="replace")


def _texts(data: Data, node: Span, wanted: int) -> list[bytes]:
    return [bytes(data[slice(*span)]) for field, span in fields(data, node) if field == wanted]


def _message(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > _SEVEN_BITS:
        out.append(value & _SEVEN_BITS | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
