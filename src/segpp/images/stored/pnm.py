"""PNM: PBM, PGM, PPM and PAM, plain and raw, of every maximum; PFM's floats.

The formats: https://netpbm.sourceforge.net/doc/#formats. Pillow rescales whatever has not 255 or
65535 as its maximum.
"""

import re
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np

from segpp.errors import ImageError
from segpp.images.stored.base import (
    CONTAINERS,
    Container,
    Pixels,
    Stored,
    check_page,
    check_size,
    plain,
    rounded_bits,
)

_CHANNELS = {b"P1": 1, b"P2": 1, b"P3": 3, b"P4": 1, b"P5": 1, b"P6": 3, b"Pf": 1, b"PF": 3}
_BITMAPS, _PLAIN, _FLOATS, _PAM = {b"P1", b"P4"}, {b"P1", b"P2", b"P3"}, {b"Pf", b"PF"}, b"P7"
# A comment may stand wherever space may, and ends with its line.
_WORD = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])*([^\s#]{1,24})")
_COMMENT = re.compile(rb"#[^\r\n]*")
_START = re.compile(rb"P[1-7fF][\s#].")
_LINE = re.compile(rb"[^\n]{0,256}\n")
_MOST = 65535
_BYTE = 255
_MOST_LINES = 64
_MOST_CHANNELS = 1024


@dataclass(frozen=True)
class _Header:
    kind: bytes
    height: int
    width: int
    channels: int
    most: int
    start: int
    big_endian: bool = True
    extra: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def dtype(self) -> np.dtype[np.generic]:
        order = ">" if self.big_endian else "<"
        size = "f4" if self.kind in _FLOATS else "u1" if self.most <= _BYTE else "u2"
        return np.dtype(order + size)

    @property
    def row_bytes(self) -> int:
        if self.kind in _BITMAPS:
            return (self.width + 7) // 8
        return self.width * self.channels * self.dtype.itemsize


def _read(path: Path, page: int) -> Stored:
    content = path.read_bytes()
    starts = _starts(path, content)
    check_page(path, page, len(starts))
    header = starts[page]
    check_size(path, header.shape, header.dtype.itemsize)
    array = _plain(header, content) if header.kind in _PLAIN else _raw(header, content)
    if header.kind in _FLOATS:
        return Stored(plain(array[::-1]), bits=32, pages=len(starts))
    bits = rounded_bits(header.most.bit_length())
    white = None if header.kind in _BITMAPS else header.most
    black = header.kind in _BITMAPS
    return Stored(plain(array), None, black, bits, len(starts), white, header.extra)


def _count(path: Path) -> int:
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        return len(_starts(path, content))


def _starts(path: Path, content: bytes | mmap) -> list[_Header]:
    """Return the headers of a file: raw ones may stand one behind the other."""
    headers = [_header(path, content, 0)]
    while headers[-1].kind not in _PLAIN:
        end = headers[-1].start + headers[-1].row_bytes * headers[-1].height
        if content[end : end + 2] not in {*_CHANNELS, _PAM}:
            break
        headers.append(_header(path, content, end))
    return headers


def _header(path: Path, content: bytes | mmap, at: int) -> _Header:
    kind = content[at : at + 2]
    if kind == _PAM:
        return _pam_header(path, content, at)
    names = ("width", "height") if kind in _BITMAPS else ("width", "height", "maximum")
    words, end = [], at + 2
    for name in names:
        found = _WORD.match(content, end)
        if not found:
            raise ImageError(f"{path} is damaged", f"its header breaks off before the {name}")
        words.append(found[1])
        end = found.end()
    # One single space ends the header, whatever comes then.
    start = end + 1
    if kind in _FLOATS:
        width, height = map(int, words[:2])
        return _Header(kind, height, width, _CHANNELS[kind], 1, start, float(words[2]) > 0)
    width, height, *most = (_number(path, name, w) for name, w in zip(names, words, strict=True))
    return _Header(kind, height, width, _CHANNELS[kind], _maximum(path, *most), start)


def _pam_header(path: Path, content: bytes | mmap, at: int) -> _Header:
    fields: dict[bytes, bytes] = {}
    end = at + 3
    for _ in range(_MOST_LINES):
        line = _LINE.match(content, end)
        if not line:
            break
        end = line.end()
        words = _COMMENT.sub(b"", line[0]).split()
        if words[:1] == [b"ENDHDR"]:
            height, width, depth, most = (
                _number(path, name, fields.get(name.encode(), b""))
                for name in ("HEIGHT", "WIDTH", "DEPTH", "MAXVAL")
            )
            if depth > _MOST_CHANNELS:
                raise ImageError(f"{path} is damaged", f"it says {depth} channels")
            extra = int(fields.get(b"TUPLTYPE", b"").endswith(b"_ALPHA"))
            return _Header(_PAM, height, width, depth, _maximum(path, most), end, extra=extra)
        fields.update([(words[0], b" ".join(words[1:]))] if words else [])
    raise ImageError(f"{path} is damaged", "its header does not end")


def _number(path: Path, name: str, word: bytes) -> int:
    if not re.fullmatch(rb"\d{1,10}", word):
        raise ImageError(f"{path} is damaged", f"its {name} is {word[:20]!r}")
    return int(word)


def _maximum(path: Path, most: int = 1) -> int:
    if not 0 < most <= _MOST:
        raise ImageError(f"{path} is damaged", f"a maximum of {most}; allowed: 1 to {_MOST}")
    return most


def _raw(header: _Header, content: bytes) -> Pixels:
    length = header.row_bytes * header.height
    data = content[header.start : header.start + length]
    if len(data) < length:
        raise ValueError(f"it is cut short: {len(data):,} bytes of pixels, not {length:,}")
    if header.kind in _BITMAPS:
        rows = np.frombuffer(data, np.uint8).reshape(header.height, header.row_bytes)
        bits: Pixels = np.unpackbits(rows, axis=1, count=header.width)
        return bits
    array: Pixels = np.frombuffer(data, header.dtype).reshape(header.shape).copy()
    return array


def _plain(header: _Header, content: bytes) -> Pixels:
    text = _COMMENT.sub(b"", content[header.start - 1 :])
    if header.kind in _BITMAPS:
        # Bits need no space between them.
        values = np.frombuffer(b"".join(text.split()), np.uint8) - np.uint8(ord("0"))
    elif text.translate(None, b"0123456789 \t\n\r\v\f"):
        raise ValueError("there is more than numbers in it")
    else:
        values = np.fromstring(text, np.int64, sep=" ")
    count = header.height * header.width * header.channels
    if len(values) < count:
        raise ValueError(f"it is cut short: {len(values):,} numbers, not {count:,}")
    values = values[:count]
    if int(values.max()) > header.most or int(values.min()) < 0:
        raise ValueError(f"the number {values.max()} is above its maximum, {header.most}")
    array: Pixels = values.astype(header.dtype.newbyteorder("=")).reshape(header.shape)
    return array


def _knows(head: bytes) -> bool:
    # A letter and a digit begin many a text; a header goes on with space or a comment.
    return bool(_START.match(head))


CONTAINERS.register("PNM")(Container(_knows, _read, _count))
