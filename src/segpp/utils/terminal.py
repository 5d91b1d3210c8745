"""Text on its way out: a terminal obeys what it is sent, and names come from foreign files.

Everything that a command prints passes through ``guarded_streams``. There control characters,
escape sequences and marks that reorder text become visible escapes, and so does what the
stream's encoding does not have. Every escape but those of C0 is also one of JSON's, and
``json.dumps`` leaves no C0 but line feeds: JSON that passes through holds the same data.
"""

import errno
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

__all__ = ["guarded_streams", "harmless", "one_line", "unguarded"]

# C0 but tab and line feed; DEL and C1; separators of lines; what reorders text; halves of
# characters, as file names that are not UTF-8 have them.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_C0_END = 0x20
_BMP_END = 0x10000


def harmless(text: str) -> str:
    r"""Return text that a terminal shows and does not obey: ``\x1b`` for the escape character."""
    return _HARMFUL.sub(lambda found: _escape(found[0]), text)


def one_line(text: str) -> str:
    """Return the same, with the line feeds and tabs escaped too: a name in a table or a list."""
    return harmless(text).replace("\n", r"\x0a").replace("\t", r"\x09")


def unguarded(stream: Any) -> Any:
    """Return the stream below a guarded one, for what draws with control characters itself."""
    return getattr(stream, "unguarded", stream)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Make what is printed to stdout and stderr harmless while the block runs.

    A closed stderr, or one that nobody reads any more, takes what is written and forgets it: the
    work goes on. A closed stdout fails when it is flushed, as a full disk does.
    """
    before = sys.stdout, sys.stderr
    _open_closed_descriptors()
    sys.stdout = cast("TextIO", _Guarded(sys.stdout if before[0] else _Closed()))
    sys.stderr = cast("TextIO", _Guarded(_Unheard(sys.stderr if before[1] else _Closed())))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Guarded:
    """A stream that writes harmless text; all else is the stream's below it."""

    def __init__(self, stream: Any) -> None:
        self.unguarded = stream

    def write(self, text: str) -> int:
        self.unguarded.write(_encodable(harmless(text), self.unguarded))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)


class _Unheard:
    """A stream of messages whose reader may have gone away."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Closed(io.StringIO):
    """In place of a stream that was closed before the start."""

    def flush(self) -> None:
        if self.tell():
            self.seek(0)
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _open_closed_descriptors() -> None:
    # The next file that is opened would get the number, and what native code prints with it.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _encodable(text: str, stream: Any) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(sign if _has(encoding, sign) else _escape(sign) for sign in text)
    return text


def _has(encoding: str, sign: str) -> bool:
    with suppress(UnicodeEncodeError):
        return bool(sign.encode(encoding))
    return False


def _escape(sign: str) -> str:
    code = ord(sign)
    if code < _C0_END:
        return f"\\x{code:02x}"
    if code < _BMP_END:
        return f"\\u{code:04x}"
    # As JSON has it: two halves.
    high, low = divmod(code - _BMP_END, 1 << 10)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
