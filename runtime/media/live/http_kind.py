"""What the first bytes of an answer tell that its headers do not."""

import struct
from collections.abc import Callable

__all__ = ["index_is_at_the_end", "is_mpeg_ts"]

# Returns the first bytes of a stream, so many or, at its end, fewer.
Peek = Callable[[int], bytes]

# ISO 13818-1, 2.4.3.2: every packet of 188 bytes begins with this one.
_SYNC, _PACKET = b"G", 188
# ISO 14496-12, 4.2: a box is a size, a name, and what it holds.
_BOX = struct.Struct(">I4s")
# What stands in front of the pictures is short, or the index itself.
_MOST_LOOKED_AT = 1 << 16


def is_mpeg_ts(peek: Peek) -> bool:
    """Return whether a stream begins as MPEG-TS does: with two packets."""
    if peek(1) != _SYNC:
        return False
    return peek(_PACKET + 1)[_PACKET:] == _SYNC


def index_is_at_the_end(peek: Peek) -> bool:
    """Return whether a stream is an mp4 whose pictures come before the index that they need."""
    # Whoever sends pictures rarely waits with the eighth byte, and never with the first.
    if peek(1) != b"\0":
        return False
    at = 0
    while at < _MOST_LOOKED_AT:
        head = peek(at + _BOX.size)[at:]
        if len(head) < _BOX.size:
            return False
        size, name = _BOX.unpack(head)
        if at == 0 and name != b"ftyp":
            return False
        if name == b"mdat":
            return True
        if name in {b"moov", b"moof"} or size < _BOX.size:
            return False
        at += size
    return False
