"""What each part of a network gives, found and shown without the onnx package.

    Model 7 graph        Graph 1 node, 12 output
    Node 1 input, 2 output, 4 op_type        ValueInfo 1 name

A block ends behind its depthwise convolution, whose weight is called after its place in the
network, and what it gives is what the next LayerNormalization takes: in the order of the nodes

    stage     norm of the patches, block, block, …, norm of the stage
    block     norm, attention (with a norm inside, or none), norm, depthwise convolution

The decode head ends with the last convolution or product of matrices, which gives the classes'
scores, and the file with its outputs. Names of norms and of biases do not tell: equal ones are kept
once. A value becomes an output by one
more field at the file's end, since a message that comes in two parts is read as both together.

Source: onnx.proto3 of ONNX 1.16 (field numbers); Protocol Buffers, Encoding, "Last One Wins".
"""

import mmap
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from segpp.errors import GraphError
from segpp.runtime.onnx_reader.wire_format import Data, Span, fields

__all__ = ["block_outputs", "with_outputs"]

_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_OUTPUT = 7, 1, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _VALUE_NAME = 1, 2, 4, 1
_BYTES = 2  # the wire type of what has a length
_PRODUCTS = {b"Conv", b"Gemm", b"MatMul"}
_DEPTHWISE = re.compile(rb"stages\.(\d+)\.blocks\.(\d+)\.ffn\.dwconv\.weight")
_SEVEN_BITS = 0x7F

# What a LayerNormalization takes; or the stage and block, from 1, whose depthwise weights come.
_Event = bytes | tuple[int, int]


def block_outputs(path: Path) -> dict[str, str]:
    """Return the name of what each part gives, by its place, in order.

    The places are "stage 1 patches", "stage 1 block 2", "decode head" where its scores are not an
    output, and "output labels" or whatever outputs a file has.

    Raises:
        GraphError: It is not an ONNX file, or its names do not tell its blocks.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            found = dict(_places(list(_events(data))))
            ends = dict(_ends(data))
        except (ValueError, IndexError) as failure:
            raise GraphError(
                f"{path} is not an ONNX file, or only part of one", str(failure)
            ) from failure
    if not found:
        raise GraphError(
            f"the names in {path} do not tell its blocks", hint="segpp-export writes files that do"
        )
    return found | ends


def with_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """Return a model that gives values from inside it too.

    Args:
        model: A serialized ModelProto.
        names: The values; what is an output already stays as it is.
    """
    there = set(_output_names(model))
    added = [name for name in names if name.encode() not in there]
    values = (_message(_VALUE_NAME, name.encode()) for name in added)
    outputs = b"".join(_message(_GRAPH_OUTPUT, value) for value in values)
    return model + _message(_MODEL_GRAPH, outputs)


def _events(data: Data) -> Iterator[_Event]:
    """Yield norms and depthwise convolutions in the order of the nodes."""
    weights: dict[bytes, bytes] = {}
    for node in _nodes(data):
        operator, inputs = _operator(data, node), _texts(data, node, _NODE_INPUT)
        if operator == b"LayerNormalization":
            yield inputs[0]
        elif operator == b"DequantizeLinear":
            # Of INT8 files it stands between a convolution and its weights.
            weights |= dict.fromkeys(_texts(data, node, _NODE_OUTPUT), inputs[0])
        elif operator == b"Conv" and (
            place := _DEPTHWISE.search(weights.get(inputs[1], inputs[1]))
        ):
            yield int(place[1]) + 1, int(place[2]) + 1


def _places(events: Sequence[_Event]) -> Iterator[tuple[str, str]]:
    ends = [number for number, event in enumerate(events) if isinstance(event, tuple)]
    for number in ends:
        stage, block = cast("tuple[int, int]", events[number])
        if block == 1 and (taken := _first_norm_of_a_block(events[:number])):
            yield f"stage {stage} patches", taken.decode(errors="replace")
        norms = [event for event in events[number:] if isinstance(event, bytes)]
        if norms:
            yield f"stage {stage} block {block}", norms[0].decode(errors="replace")


def _ends(data: Data) -> Iterator[tuple[str, str]]:
    """Yield what the decode head gives, and the file's own outputs."""
    outputs = [name.decode(errors="replace") for name in _output_names(data)]
    products = [node for node in _nodes(data) if _operator(data, node) in _PRODUCTS]
    if products:
        scores = _texts(data, products[-1], _NODE_OUTPUT)[0].decode(errors="replace")
        if scores not in outputs:
            yield "decode head", scores
    yield from ((f"output {name}", name) for name in outputs)


def _first_norm_of_a_block(before: Sequence[_Event]) -> bytes | None:
    """Return what the first norm of a stage's first block takes: that of its patches gives it."""
    ends = [number for number, event in enumerate(before) if isinstance(event, tuple)]
    # Behind the last block of a stage comes the stage's norm, then that of the next one's patches.
    norms, skipped = (before[ends[-1] + 1 :], 2) if ends else (before, 1)
    taken = norms[skipped] if len(norms) > skipped else None
    return taken if isinstance(taken, bytes) else None


def _nodes(data: Data) -> Iterator[Span]:
    yield from _of_graph(data, _GRAPH_NODE)


def _output_names(data: Data) -> Iterator[bytes]:
    for output in _of_graph(data, _GRAPH_OUTPUT):
        yield from _texts(data, output, _VALUE_NAME)


def _of_graph(data: Data, wanted: int) -> Iterator[Span]:
    for field, graph in fields(data, (0, len(data))):
        if field == _MODEL_GRAPH:
            yield from (span for kind, span in fields(data, graph) if kind == wanted)


def _operator(data: Data, node: Span) -> bytes:
    return next(iter(_texts(data, node, _NODE_OPERATOR)), b"")


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
