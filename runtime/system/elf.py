"""Shared libraries (ELF), read without loading them: loading one runs its code.

    header            64 bytes: magic, class (2: 64 bits), byte order (1: little), type at 16
                      (3: shared), machine at 18, section headers' offset at 40, count at 60
    section header    64 bytes: type at 4 (11: dynamic symbols), address at 16, offset at 24,
                      size at 32, link at 40 (of symbols: the section of their names)
    symbol            24 bytes: name at 0, section at 6 (0: defined elsewhere), address at 8,
                      size at 16

Source: System V Application Binary Interface, ELF-64 Object File Format.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MACHINES", "SharedLibrary", "read_shared_library"]

# As ``platform.machine()`` calls them.
MACHINES = {62: "x86_64", 183: "aarch64", 3: "i386", 40: "arm", 243: "riscv64"}

_HEADER = struct.Struct("<4sBB10xHH20xQ10xHH2x")
_SECTION = struct.Struct("<4xI8xQQQI20x")
_SYMBOL = struct.Struct("<I2xHQQ")
_SHARED, _DYNAMIC_SYMBOLS = 3, 11
# No plugin library of ours comes near; whoever reads a file of somebody else's must end.
_MOST_BYTES = 1 << 30
_MOST_TEXT_BYTES = 1 << 12


@dataclass(frozen=True)
class SharedLibrary:
    """What a shared library shows to others.

    Args:
        machine: Whose instructions it holds, as ``platform.machine()`` has it.
        symbols: The names that it defines.
        text: What the symbol holds that was asked for, up to its closing zero; None without it.
    """

    machine: str
    symbols: frozenset[str]
    text: str | None


@dataclass(frozen=True)
class _Section:
    kind: int
    address: int
    offset: int
    size: int
    link: int


def read_shared_library(path: Path, wanted: str) -> SharedLibrary:
    """Return what a shared library defines, and the text that the symbol ``wanted`` holds.

    Raises:
        ValueError: It is no shared library of 64 bits, or a damaged one.
        OSError: It cannot be read.
    """
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"it has {size:,} bytes")
    data = path.read_bytes()
    try:
        return _read(data, wanted)
    except (struct.error, IndexError, OverflowError) as failure:
        raise ValueError("it is damaged, or only part of one") from failure


def _read(data: bytes, wanted: str) -> SharedLibrary:
    magic, bits, order, kind, machine, table, entry, count = _HEADER.unpack_from(data)
    if magic != b"\x7fELF":
        raise ValueError("it does not begin as one")
    if (bits, order, kind) != (2, 1, _SHARED):
        raise ValueError("it is an ELF file, but no shared library of 64 bits")
    if entry != _SECTION.size:
        raise ValueError("it has no table of its sections")
    sections = [_Section(*_SECTION.unpack_from(data, table + i * entry)) for i in range(count)]
    places = dict(_symbols(data, sections))
    text = _text(data, places[wanted]) if wanted in places else None
    return SharedLibrary(MACHINES.get(machine, f"machine {machine}"), frozenset(places), text)


def _symbols(data: bytes, sections: list[_Section]) -> Iterator[tuple[str, int]]:
    """Yield the name of every symbol that is defined, and where in the file it begins."""
    # The linker writes one such table.
    table = next((one for one in sections if one.kind == _DYNAMIC_SYMBOLS), None)
    if table is None:
        return
    names = sections[table.link].offset
    for start in range(table.offset, table.offset + table.size, _SYMBOL.size):
        name, section, address, _ = _SYMBOL.unpack_from(data, start)
        if 0 < section < len(sections):
            home = sections[section]
            yield _text(data, names + name), address - home.address + home.offset


def _text(data: bytes, start: int) -> str:
    end = data.find(b"\0", start, start + _MOST_TEXT_BYTES) if 0 <= start < len(data) else -1
    if end < 0:
        raise ValueError("a text in it has no end")
    return data[start:end].decode(errors="replace")
