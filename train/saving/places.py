"""Where in a file the numbers of its tensors lie.

Only those numbers are replaced, in a copy of the file: what else it holds (settings, an optimizer's
state, objects of classes that are not installed here) stays byte for byte, and no pickle is written
that was not there.

    safetensors   a header says where each name lies
    torch.save    PyTorch maps the archive's records; the kernel tells which byte of the file
                  stands at an address
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.checkpoints.check_weights import weights_kind

__all__ = ["Place", "extent", "numbers_at", "places_of"]

_MAX_HEADER_BYTES = 100 << 20


@dataclass(frozen=True)
class Place:
    """Where a tensor's numbers lie.

    Attributes:
        file: The file.
        offset: Of the first number, in bytes.
        dtype: Of the numbers.
        shape: Of the tensor.
        stride: From one number to the next along each axis, in numbers.
    """

    file: Path
    offset: int
    dtype: torch.dtype
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def extent(place: Place) -> int:
    """Return how many bytes a tensor spans."""
    last = sum((size - 1) * step for size, step in zip(place.shape, place.stride, strict=True))
    return (last + 1) * place.dtype.itemsize


def numbers_at(place: Place, raw: bytearray) -> Tensor:
    """Return the bytes that a tensor spans as that tensor; writing to it writes to them."""
    flat = torch.frombuffer(raw, dtype=place.dtype)
    return flat.as_strided(place.shape, place.stride)


def places_of(tensors: Sequence[Tensor], content: Any, files: Sequence[Path]) -> list[Place | None]:
    """Return where tensors lie; None for those of files that are not mapped, as old ones are.

    Args:
        tensors: Of a checkpoint.
        content: All that was read, with the same tensors in it.
        files: That it was read from.

    Raises:
        CheckpointError: A file does not hold what was read from it.
    """
    named = _named_places(content, files)
    mapped = _mapped(files)
    return [_place(tensor, named, mapped) for tensor in tensors]


def _place(
    tensor: Tensor, named: Mapping[int, Place], mapped: Sequence[tuple[int, int, int, Path]]
) -> Place | None:
    address = tensor.data_ptr()
    if (known := named.get(address)) is not None:
        return _held(known, tensor)
    for start, end, offset, file in mapped:
        if start <= address < end:
            shape, stride = tuple(tensor.shape), tensor.stride()
            place = Place(file, address - start + offset, tensor.dtype, shape, stride)
            return _held(place, tensor)
    return None


def _held(place: Place, tensor: Tensor) -> Place:
    """Return a place after a look at what is there."""
    with place.file.open("rb") as file:
        file.seek(place.offset)
        raw = bytearray(file.read(extent(place)))
    if len(raw) != extent(place) or not _same_bits(numbers_at(place, raw), tensor):
        raise CheckpointError(
            f"{place.file} does not hold what was read from it",
            hint="something writes to it, or it is packed: copy it, and give the copy",
        )
    return place


def _same_bits(a: Tensor, b: Tensor) -> bool:
    # Not-a-numbers are their own equals here.
    return bool(torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8)))


def _named_places(content: Any, files: Sequence[Path]) -> dict[int, Place]:
    """Return the places of safetensors' tensors by their addresses."""
    found = {}
    for file in files:
        if weights_kind(file).holds == "safetensors":
            for name, (offset, shape) in _header(file).items():
                tensor = content[name]
                stride = torch.empty(shape, device="meta").stride()
                found[tensor.data_ptr()] = Place(file, offset, tensor.dtype, shape, stride)
    return found


def _header(path: Path) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Return where each tensor of a safetensors file begins, and its shape."""
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        entries = json.loads(file.read(min(size, _MAX_HEADER_BYTES)))
    return {
        name: (8 + size + entry["data_offsets"][0], tuple(entry["shape"]))
        for name, entry in entries.items()
        if name != "__metadata__"
    }


def _mapped(files: Sequence[Path]) -> list[tuple[int, int, int, Path]]:
    """Return the parts of memory that are files: first and last address, offset in the file."""
    names = {str(file.resolve()): file for file in files}
    found = []
    for line in Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines():
        parts = line.split(maxsplit=5)
        if len(parts) == 6 and parts[5] in names:  # noqa: PLR2004 - the last is the file
            start, end = (int(part, 16) for part in parts[0].split("-"))
            found.append((start, end, int(parts[2], 16), names[parts[5]]))
    return found
