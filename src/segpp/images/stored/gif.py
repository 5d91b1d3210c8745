"""GIF: the numbers of a palette, also of later frames, which Pillow turns into colours.

A frame may fill a part of the canvas, let what was there shine through, and be taken away again
(GIF89a, section 23). Each is unpacked by Pillow as a file of its own, so that its numbers stay.
Where frames have palettes of their own, numbers mean nothing across them: the frame is colours.
"""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segpp.images.stored.base import (
    CONTAINERS,
    Container,
    Pixels,
    Stored,
    check_page,
    check_size,
    plain,
)

_STARTS = (b"GIF87a", b"GIF89a")
_SCREEN, _IMAGE, _EXTENSION, _END = 13, 0x2C, 0x21, 0x3B
_CONTROL = 0xF9
_HAS_TABLE, _TABLE_SIZE = 0x80, 0x07
_TRANSPARENT = 0x01
_TO_BACKGROUND, _TO_PREVIOUS = 2, 3


@dataclass(frozen=True)
class _Frame:
    box: tuple[int, int, int, int]  # top, left, height, width
    table: bytes  # of its own, else empty
    flags: int
    data: bytes  # the size of codes, and the blocks of them
    removal: int = 0
    transparent: int | None = None


def _count(path: Path) -> int:
    content = path.read_bytes()
    return len(_frames(content, _SCREEN + _table_bytes(content[10])))


def _read(path: Path, page: int) -> Stored:
    content = path.read_bytes()
    width, height, flags, background = struct.unpack_from("<HHBB", content, 6)
    check_size(path, (height, width, 3))
    table = content[_SCREEN : _SCREEN + _table_bytes(flags)]
    frames = _frames(content, _SCREEN + len(table))
    check_page(path, page, len(frames))
    shown = frames[: page + 1]
    tables = {frame.table or table for frame in shown}
    if len(tables) > 1 and not _covers(shown[-1], (height, width)):
        with Image.open(path, formats=["GIF"]) as image:
            image.seek(page)
            return Stored(plain(np.array(image.convert("RGB"))), pages=len(frames))
    kept = shown[-1:] if len(tables) > 1 else shown
    numbers = _composed(path, kept, (height, width), background)
    own = kept[-1].table or table
    bits = len(own) // 3
    return Stored(numbers, _colors(own), bits=_bits(bits), pages=len(frames))


def _bits(colors: int) -> int:
    return next(bits for bits in (1, 2, 4, 8) if colors <= 1 << bits)


def _table_bytes(flags: int) -> int:
    return 3 * (2 << (flags & _TABLE_SIZE)) if flags & _HAS_TABLE else 0


def _frames(content: bytes, at: int) -> list[_Frame]:
    frames: list[_Frame] = []
    removal, transparent = 0, None
    while content[at] != _END:
        if content[at] == _EXTENSION:
            if content[at + 1] == _CONTROL:
                removal, transparent = _control(content, at + 3)
            at = _after_blocks(content, at + 2)
            continue
        if content[at] != _IMAGE:
            raise ValueError(f"a block of kind {content[at]}")
        left, top, width, height, flags = struct.unpack_from("<HHHHB", content, at + 1)
        start = at + 10 + _table_bytes(flags)
        at = _after_blocks(content, start + 1)
        box, table = (top, left, height, width), content[start - _table_bytes(flags) : start]
        frames.append(_Frame(box, table, flags, content[start:at], removal, transparent))
        removal, transparent = 0, None
    return frames


def _control(content: bytes, at: int) -> tuple[int, int | None]:
    flags = content[at]
    return flags >> 2 & 7, content[at + 3] if flags & _TRANSPARENT else None


def _after_blocks(content: bytes, at: int) -> int:
    while length := content[at]:
        at += 1 + length
    return at + 1


def _covers(frame: _Frame, size: tuple[int, int]) -> bool:
    return frame.box == (0, 0, *size) and frame.transparent is None


def _composed(
    path: Path, frames: Sequence[_Frame], size: tuple[int, int], background: int
) -> NDArray[np.uint8]:
    """Return the numbers (H, W) that are seen at the last of some frames of one palette."""
    canvas = np.full(size, _empty(frames[0], background), np.uint8)
    # What was there before a frame that covers it all is of no account.
    starts = [n for n, f in enumerate(frames) if _covers(f, size) and f.removal != _TO_PREVIOUS]
    for frame in frames[max(starts, default=0) :]:
        top, left, height, width = frame.box
        part = canvas[top : top + height, left : left + width]
        if frame is frames[-1] or frame.removal not in {_TO_BACKGROUND, _TO_PREVIOUS}:
            numbers = _unpacked(path, frame)[: part.shape[0], : part.shape[1]]
            np.copyto(part, numbers, where=numbers != _no_number(frame))
        elif frame.removal == _TO_BACKGROUND:
            part[:] = _empty(frame, background)
    return canvas


def _empty(frame: _Frame, background: int) -> int:
    return background if frame.transparent is None else frame.transparent


def _no_number(frame: _Frame) -> int:
    """Return the number that lets what was there shine through; one that none has, if none does."""
    return -1 if frame.transparent is None else frame.transparent


def _unpacked(path: Path, frame: _Frame) -> Pixels:
    """Return the numbers (h, w) of one frame alone."""
    _, _, height, width = frame.box
    check_size(path, (height, width))
    # A palette that is no grey, of all numbers: Pillow would make grey of grey.
    table = bytes(value for number in range(256) for value in (number, 0, 0))
    screen = struct.pack("<HHBBB", width, height, _HAS_TABLE | _TABLE_SIZE, 0, 0)
    place = struct.pack("<BHHHHB", _IMAGE, 0, 0, width, height, frame.flags & 0x40)
    alone = b"".join((_STARTS[0], screen, table, place, frame.data, bytes([_END])))
    with Image.open(io.BytesIO(alone), formats=["GIF"]) as image:
        return np.array(image)


def _colors(table: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(table, np.uint8).reshape(-1, 3)


CONTAINERS.register("GIF")(Container(lambda head: head.startswith(_STARTS), _read, _count))
