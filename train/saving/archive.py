"""The check sums of a zip archive whose stored records were changed in place.

    local header   30 bytes, name, extra field; its own sum, or 0 where one follows the record
    record         the bytes
    descriptor     "PK 7 8", the sum again: where bit 3 of the flags says so
    directory      at the end; each entry has the sum 16 bytes behind its beginning

Source: PKWARE, APPNOTE.TXT, sections 4.3 and 4.4.
"""

import struct
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

__all__ = ["renew_sums"]

_LOCAL = 30
_DIRECTORY = 46
_DESCRIPTOR = b"PK\x07\x08"
_HAS_DESCRIPTOR = 1 << 3
_CHUNK_BYTES = 1 << 20


def renew_sums(path: Path, changed: Iterable[int]) -> None:
    """Write the sums of the records in which bytes were changed.

    Args:
        path: A zip archive that packs nothing.
        changed: Places of changed bytes in the file.
    """
    places = sorted(changed)
    with zipfile.ZipFile(path) as archive:
        entries, directory = archive.infolist(), archive.start_dir
    with path.open("r+b") as file:
        # Its entries are in the directory's own order.
        for entry in entries:
            file.seek(directory)
            name, extra, comment = struct.unpack("<HHH", file.read(_DIRECTORY)[28:34])
            start = _record(file, entry)
            if _lies_between(places, start, start + entry.file_size):
                total = struct.pack("<I", _sum(file, start, entry.file_size))
                _write(file, directory + 16, total)
                _write_beside(file, entry, start + entry.file_size, total)
            directory += _DIRECTORY + name + extra + comment


def _record(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Return where the record of an entry begins."""
    file.seek(entry.header_offset)
    name, extra = struct.unpack("<HH", file.read(_LOCAL)[26:30])
    return entry.header_offset + _LOCAL + int(name) + int(extra)


def _lies_between(places: Sequence[int], start: int, end: int) -> bool:
    return bisect_left(places, start) < bisect_left(places, end)


def _sum(file: BinaryIO, start: int, size: int) -> int:
    file.seek(start)
    total = 0
    for first in range(0, size, _CHUNK_BYTES):
        total = zlib.crc32(file.read(min(_CHUNK_BYTES, size - first)), total)
    return total


def _write_beside(file: BinaryIO, entry: zipfile.ZipInfo, end: int, total: bytes) -> None:
    """Write the sum where the local header has it, or what follows the record."""
    if not entry.flag_bits & _HAS_DESCRIPTOR:
        _write(file, entry.header_offset + 14, total)
        return
    file.seek(end)
    # Older writers leave the four letters out.
    has_letters = file.read(4) == _DESCRIPTOR
    _write(file, end + 4 * has_letters, total)


def _write(file: BinaryIO, place: int, value: bytes) -> None:
    file.seek(place)
    file.write(value)
