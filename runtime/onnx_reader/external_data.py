"""What an ONNX file asks of its reader, found without the onnx package: weights outside itself.

onnxruntime up to 1.23 opens any path that a model names, ``../../etc/passwd`` included; only
later versions refuse. So the file is walked before a library opens it: only the fields on the way
to a tensor, never the weights.

    Model 7 graph, 25 functions        Graph 1 node, 5 initializer, 15 sparse_initializer
    Function 7 node, 11 attribute      Node 5 attribute
    Attribute 5 t, 6 g, 10 tensors, 11 graphs, 22 sparse_tensor, 23 sparse_tensors
    SparseTensor 1 values, 2 indices   Tensor 13 external_data: entries of 1 key, 2 value

Source: onnx.proto3 of ONNX 1.16 (field numbers).
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from segpp.errors import GraphError
from segpp.runtime.onnx_reader.expansion import check_expansion
from segpp.runtime.onnx_reader.wire_format import Span, fields, records
from segpp.utils.file_type import check_onnx

__all__ = ["check_model", "check_weights_inside", "has_functions"]

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
_GRAPH_FIELD, _FUNCTION_FIELD = 7, 25
_MAX_DEPTH = 100  # messages within messages, as for protobuf's own readers
_MAX_FIELDS = 4_000_000  # seconds of reading; a B5 has 200,000


def check_weights_inside(path: Path) -> tuple[str, ...]:
    """Check that an ONNX file is whole and takes weights from nowhere but its own folder.

    Returns:
        The files that it takes weights from besides itself.

    Raises:
        GraphError: It is not an ONNX file, is truncated, or names a file elsewhere.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            locations = tuple(dict.fromkeys(_all_locations(data)))
        except (ValueError, IndexError) as failure:
            raise GraphError(
                f"{path} is not an ONNX file, or only part of one", str(failure)
            ) from failure
    for location in locations:
        _check_location(path, location)
    return locations


def _check_location(path: Path, location: str) -> None:
    folder = path.resolve().parent
    try:
        # Also through a symbolic link: what counts is where it ends.
        target = (folder / location).resolve()
        inside, is_odd = target.is_relative_to(folder), target.exists() and not target.is_file()
    except (OSError, RuntimeError) as failure:
        # A name that is too long, or links in a circle.
        raise GraphError(f"{path} asks for weights that cannot be read", str(failure)) from failure
    if not inside:
        raise GraphError(
            f"{path} asks for weights outside its folder: {location!r}",
            hint="a file that does this is broken or hostile; do not run it",
        )
    if is_odd:
        raise GraphError(f"{path} asks for weights in a folder, device or pipe: {location!r}")


def check_model(path: Path) -> tuple[str, ...]:
    """Check what every reader of an ONNX file has to rely on, before a library opens it.

    Returns:
        The files that it takes weights from besides itself.

    Raises:
        GraphError: It is no ONNX file, too large, only part of one, takes weights from elsewhere,
            or has too many nodes once its functions are written out.
    """
    check_onnx(path)
    locations = check_weights_inside(path)
    check_expansion(path)
    return locations


def has_functions(path: Path) -> bool:
    """Return whether an ONNX file defines operators of its own as functions.

    Only for a file that ``check_weights_inside`` has passed.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(field == _FUNCTION_FIELD for field, _ in fields(data, (0, len(data))))


def _all_locations(data: mmap.mmap) -> Iterator[str]:
    everything = (0, len(data))
    if not any(field == _GRAPH_FIELD for field, _ in fields(data, everything)):
        raise ValueError("it holds no graph")
    yield from _locations(data, everything, "Model", _MAX_DEPTH, iter(range(_MAX_FIELDS)))


def _locations(
    data: mmap.mmap, span: Span, message: str, depth: int, budget: Iterator[int]
) -> Iterator[str]:
    if depth == 0:
        raise ValueError(f"its graphs are nested deeper than {_MAX_DEPTH}")
    inner_messages = _FIELDS[message]
    for record in records(data, span):
        if next(budget, None) is None:
            raise ValueError(f"it has more than {_MAX_FIELDS:,} fields")
        kind = inner_messages.get(record.field) if record.body else None
        if kind == "Entry" and record.body:
            yield from _location(data, record.body)
        elif kind and record.body:
            yield from _locations(data, record.body, kind, depth - 1, budget)


def _location(data: mmap.mmap, span: Span) -> Iterator[str]:
    entry = {field: data[start:end] for field, (start, end) in fields(data, span)}
    if entry.get(1) == b"location":
        location = entry.get(2, b"").decode("utf-8")
        # C libraries would read the path only up to there.
        if "\0" in location:
            raise ValueError("a path with a zero byte")
        yield location
