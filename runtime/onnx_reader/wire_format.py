"""The fields of a protobuf message, read without the protobuf package: a board has none.

A message is a series of records, each a key and a payload:

    1. The key is a varint: ``field number << 3 | wire type``.
    2. The wire type tells how long the payload is:
       0  varint            up to ten bytes, the last one below 128
       1  fixed, 64 bits    eight bytes
       2  length-delimited  a varint, and as many bytes: a string, bytes or another message
       5  fixed, 32 bits    four bytes
       3 and 4 are groups, which proto3 does not have; 6 and 7 are nothing.
    3. The next record begins where the payload ends; the message ends with its last record.

A varint holds seven bits a byte, the lowest first; the eighth bit says that another byte follows.

Source: Protocol Buffers, Encoding (protobuf.dev/programming-guides/encoding).
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
    """A field of a message.

    Attributes:
        field: Its number.
        extent: Where it begins and ends, key included.
        body: Where its payload does, if it is length-delimited; else None.
    """

    field: int
    extent: Span
    body: Span | None


def fields(data: Data, span: Span) -> Iterator[tuple[int, Span]]:
    """Yield the number and the body of every length-delimited field; skip all others.

    Args:
        data: A file or its bytes.
        span: Where the message begins and ends in it.

    Raises:
        ValueError: The bytes are no message, or only part of one.
    """
    for record in records(data, span):
        if record.body:
            yield record.field, record.body


def records(data: Data, span: Span) -> Iterator[Record]:
    """Yield every field of a message, in order and without gaps.

    Args:
        data: A file or its bytes.
        span: Where the message begins and ends in it.

    Raises:
        ValueError: The bytes are no message, or only part of one.
    """
    at, end = span
    while at < end:
        start = at
        key, at = _varint(data, at, end)  # step 1
        if key < 1 << 3:
            # No field has the number 0: a hole in a file, which would be read for hours.
            raise ValueError(f"byte {start} starts no protobuf field")
        wire, body = key & 7, None  # step 2
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
        if at > end:  # step 3
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
