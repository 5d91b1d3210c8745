"""The fields of a protobuf message, read without the protobuf package: a board has none.

Source: the protobuf encoding guide (wire types).
"""

import mmap
from collections.abc import Iterator

__all__ = ["Span", "fields"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10

Span = tuple[int, int]


def fields(data: mmap.mmap, span: Span) -> Iterator[tuple[int, Span]]:
    """Yield number and extent of the length-delimited fields of a message; skip all others.

    Raises:
        ValueError: The bytes are no message, or only part of one.
    """
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
