"""Where an ONNX file asks for weights outside itself, found without the onnx package.

onnxruntime up to 1.23 opens any path that a model names, ``../../etc/passwd`` included; only
later versions refuse. A board has no onnx package, so this walks the protobuf wire format: only
the fields on the way to a tensor, never the weights.

Source: onnx.proto3 of ONNX 1.16 (field numbers); the protobuf encoding guide (wire types).
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from segpp.errors import GraphError

__all__ = ["require_weights_inside"]

# message -> the fields that lead on to tensors, and the message that each holds
_FIELDS = {
    "Model": {7: "Graph", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {
        5: "Tensor",
        6: "Graph",
        10: "Tensor",
        11: "Graph",
        22: "SparseTensor",
        23: "SparseTensor",
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "Entry"},
}
_GRAPH_FIELD = 7
_MAX_DEPTH = 100  # messages within messages, as for protobuf's own readers

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10

Span = tuple[int, int]


def require_weights_inside(path: Path) -> None:
    """Check that an ONNX file is whole and takes weights from nowhere but its own folder.

    Raises:
        GraphError: It is not an ONNX file, is truncated, or names a file elsewhere.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            places = list(_places(data))
        except (ValueError, IndexError) as failure:
            raise GraphError(
                f"{path} is not an ONNX file, or only part of one", str(failure)
            ) from failure
    folder = path.resolve().parent
    for place in places:
        if not (folder / place).resolve().is_relative_to(folder):
            raise GraphError(
                f"{path} asks for weights outside its folder: {place!r}",
                hint="a file that does this is broken or hostile; do not run it",
            )


def _places(data: mmap.mmap) -> Iterator[str]:
    everything = (0, len(data))
    if not any(field == _GRAPH_FIELD for field, _ in _fields(data, everything)):
        raise ValueError("it holds no graph")
    yield from _locations(data, everything, "Model", _MAX_DEPTH)


def _locations(data: mmap.mmap, span: Span, message: str, depth: int) -> Iterator[str]:
    if depth == 0:
        raise ValueError(f"its graphs are nested deeper than {_MAX_DEPTH}")
    leads = _FIELDS[message]
    for field, inner in _fields(data, span):
        kind = leads.get(field)
        if kind == "Entry":
            yield from _location(data, inner)
        elif kind:
            yield from _locations(data, inner, kind, depth - 1)


def _location(data: mmap.mmap, span: Span) -> Iterator[str]:
    entry = {field: data[start:end] for field, (start, end) in _fields(data, span)}
    if entry.get(1) == b"location":
        place = entry.get(2, b"").decode("utf-8")
        if "\0" in place:
            raise ValueError("a path with a zero byte")
        yield place


def _fields(data: mmap.mmap, span: Span) -> Iterator[tuple[int, Span]]:
    """Yield number and extent of the length-delimited fields of a message; skip all others."""
    at, end = span
    while at < end:
        key, at = _varint(data, at, end)
        wire = key & 7
        if wire == _BYTES:
            length, at = _varint(data, at, end)
            if at + length <= end:
                yield key >> 3, (at, at + length)
            at += length
        elif wire == _VARINT:
            _, at = _varint(data, at, end)
        elif wire in {_FIXED64, _FIXED32}:
            at += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"byte {at} is no protobuf field")
        if at > end:
            raise ValueError(f"it ends {at - end:,} bytes early")


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if at + shift >= end:
            raise ValueError("it ends within a number")
        byte = data[at + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at + shift + 1
    raise ValueError(f"byte {at} starts no protobuf number")
