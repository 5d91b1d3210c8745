"""MPEG-TS and mp4 by their first bytes, of which no more are asked for than it takes."""

import struct

import pytest

from segpp.runtime.media.live.http_kind import Peek, index_is_at_the_end, is_mpeg_ts


def box(name: str, size: int = 8) -> bytes:
    return struct.pack(">I4s", size, name.encode()) + bytes(size - 8)


FTYP, HUGE = box("ftyp", 32), struct.pack(">I4s", 0xFFFFFFFF, b"mdat")


def peek_into(content: bytes, asked: list[int] | None = None) -> Peek:
    def peek(size: int) -> bytes:
        if asked is not None:
            asked.append(size)
        return content[:size]

    return peek


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ((b"G" + bytes(187)) * 3, True),
        (b"G" + bytes(187), False),
        (b"Greetings" * 99, False),
        (b"<html>", False),
        (b"", False),
    ],
)
def test_two_packets_are_mpeg_ts(content: bytes, *, expected: bool) -> None:
    assert is_mpeg_ts(peek_into(content)) is expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (FTYP + box("free") + box("mdat", 99), True),
        (FTYP + HUGE, True),
        # Larger than 4 GB: the size is 1, and the real one follows.
        (FTYP + struct.pack(">I4s", 1, b"mdat"), True),
        (FTYP + box("moov", 99) + box("mdat", 99), False),
        (FTYP + box("moof", 99) + box("mdat", 99), False),
        (FTYP + box("uuid", 1 << 17) + box("mdat", 99), False),
        (FTYP + struct.pack(">I4s", 0, b"free"), False),
        (FTYP, False),
        (box("mdat", 99), False),
        (bytes(99), False),
        (b"\x00\x00", False),
        (b"", False),
    ],
)
def test_an_index_behind_the_pictures_is_seen(content: bytes, *, expected: bool) -> None:
    assert index_is_at_the_end(peek_into(content)) is expected


def test_of_other_streams_one_byte_is_looked_at() -> None:
    asked: list[int] = []

    index_is_at_the_end(peek_into(b"--frame\r\n", asked))

    assert asked == [1]
