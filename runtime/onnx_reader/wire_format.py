"""The fields of a protobuf message, read without the protobuf package: a board has none.

Source: the protobuf encoding guide (wire types).
"""

import mmap
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Data", "Record", "Span", "fields", "records"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10

Data = mmap.mmap | bytes
Span = tuple[int, int]


class Record(NamedTuple):
    """A field of a message: its number, its bytes with and without what introduces them.

    Only a length-delimited field has a body: a string, bytes or another message.
    """

    field: int
    whole: Span
    body: Span | None


def fields(data: Data, span: Span) -> Iterator[tuple[int, Span]]:
    """Yield number and extent of the length-delimited fields of a message; skip all others.

    Raises:
        ValueError: The bytes are no message, or only part of one.
    """
    for record in records(data, span):
        if record.body:
            yield record.field, record.body


def records(data: Data, span: Span) -> Iterator[Record]:
    """Yield every field of a message, in order and without gaps.

    Raises:
        ValueError: The bytes are no message, or only part of one.
    """
    at, end = span
    while at < end:
        start = at
        key, at = _varint(data, at, end)
        wire, body = key & 7, None
        if wire == _BYTES:
            length, at = _varint(data, at, end)
            body = (at, at + length)
            at += length
        elif wire == _VARINT:
            _, at = _varint(data, at, end)
        elif wire in {_FIXED64, _FIXED32}:
            at += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"byte {at} is no protobuf field")
        if at > end:
            raise ValueError(f"it ends {at - end:,} bytes early")
        yield Record(key >> 3, (start, at), body)


def _varint(data: Data, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(_MAX_VARINT_BYTES):
        if at + shift >= end:
            raise ValueError("it ends within a number")
        byte = data[at + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at + shift + 1
    raise ValueError(f"byte {at} starts no protobuf number")
