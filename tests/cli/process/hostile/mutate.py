"""Damage: bytes flipped, cut, repeated; JSON and arrays with values that no writer meant."""

import ast
import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

__all__ = ["damage_bytes", "damage_json", "damage_npz"]

_DEEP: Any = json.loads("[" * 400 + "]" * 400)

# Python writes and reads NaN and 1e400 in JSON, which has neither.
_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1 << 31,
    1 << 64,
    10**400,
    1e400,
    float("nan"),
    -0.0,
    "",
    "\x1b[2J\x07evil\u202e\r\n",
    "../../../etc/passwd",
    "x" * 100_000,
    "\ud800",
    [],
    {},
    [[]],
    [None] * 4,
    list(range(100_000)),
    _DEEP,
)


def damage_bytes(content: bytes, chance: random.Random) -> bytes:
    """Return the content with one kind of damage."""
    return chance.choice(_DAMAGES)(bytearray(content), chance)


def damage_json(content: bytes, chance: random.Random) -> bytes:
    """Return JSON with one or two values replaced, removed or doubled somewhere in it."""
    value = json.loads(content)
    for _ in range(chance.randint(1, 2)):
        _replace_somewhere(value, chance)
    return json.dumps(value).encode()


def damage_npz(content: bytes, chance: random.Random) -> bytes:
    """Return arrays of numpy with damage that the checksums of the archive do not show."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice(sorted(arrays))
    arrays[name] = chance.choice(_ARRAY_DAMAGES)(arrays[name], chance)
    if chance.random() < _SELDOM:
        arrays[chance.choice(["x", "../x.npy", "y.npy", "logits.npy/"])] = arrays.pop(name)
    kept = io.BytesIO()
    packing = chance.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
    with zipfile.ZipFile(kept, "w", packing) as archive:
        for inside, array in arrays.items():
            archive.writestr(inside, array)
    return kept.getvalue()


def _redescribed(array: bytes, chance: random.Random) -> bytes:
    """Return an array whose header says something else of the same bytes."""
    length = 10 + int.from_bytes(array[8:10], "little")
    key, value = chance.choice(_DESCRIPTIONS)
    text = str(ast.literal_eval(array[10:length].decode()) | {key: value}).encode()
    return array[:8] + len(text).to_bytes(2, "little") + text + array[length:]


def _with_odd_numbers(array: bytes, chance: random.Random) -> bytes:
    numbers = chance.choice([b"\0\0\xc0\x7f", b"\0\0\x80\xff", b"\xff\xff\x7f\x7f"])
    return array[: -chance.choice([1, 7]) * 4] + numbers * 7


def _of_another_length(array: bytes, chance: random.Random) -> bytes:
    return array[: chance.randrange(len(array))] + bytes(chance.choice([0, 1, 1 << 16]))


def _with_damaged_bytes(array: bytes, chance: random.Random) -> bytes:
    return damage_bytes(array[:128], chance) + array[128:]


def _replace_somewhere(value: Any, chance: random.Random) -> None:
    places = list(_places(value))
    if not places:
        return
    container, key = chance.choice(places)
    match chance.randrange(5):
        case 0:
            del container[key]
        case 1 if isinstance(container, list):
            container.append(container[key])
        case 2 if isinstance(container, dict):
            container[chance.choice(["", "\x1b", "name", "x" * 1000])] = container[key]
        case _:
            container[key] = chance.choice(_VALUES)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place that holds a value: a list or an object, and the index or key in it."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    found = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], dict | list):
            found += _places(value[key])
    return found


def _flipped(content: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice([1, 1, 3, 20, 200])):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content)


def _flipped_at_the_start(content: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        content[chance.randrange(min(200, len(content)))] = chance.randrange(256)
    return bytes(content)


def _cut(content: bytearray, chance: random.Random) -> bytes:
    return bytes(content[: chance.randrange(1, len(content))])


def _cut_out(content: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    del content[start : start + chance.choice([1, 2, 7, 64, 4096])]
    return bytes(content or b"\0")


def _put_in(content: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    content[start:start] = chance.choice([b"\0", b"\xff" * 9, b"\x80" * 12, b"\x7f" * 1000])
    return bytes(content)


def _repeated(content: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    content[start:start] = content[start : start + chance.choice([8, 100, 5000])]
    return bytes(content)


def _zeroed(content: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    length = min(chance.choice([4, 8, 512]), len(content) - start)
    content[start : start + length] = bytes(length)
    return bytes(content)


def _large_number(content: bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(max(1, len(content) - 8))
    content[start : start + 8] = chance.choice(
        [b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0\0\0\x80\0\0\0\0", b"\0\0\0\0\x10\0\0\0"]
    )
    return bytes(content)


_SELDOM = 0.2
# What a header of an array may say, and what nobody would.
_DESCRIPTIONS: tuple[tuple[str, Any], ...] = (
    ("descr", "|O"),
    ("descr", ">f4"),
    ("descr", "<f8"),
    ("descr", "<c8"),
    ("descr", "|V999999999"),
    ("descr", "__import__('os').system('false')"),
    ("descr", [["a", "<f4"]]),
    ("fortran_order", True),
    ("fortran_order", "\x1b[2J"),
    ("shape", ()),
    ("shape", (1, 3, 64)),
    ("shape", (1, -3, -64, 64)),
    ("shape", (1, 3, 64, 10**30)),
    ("shape", (1, 3, 5000, 4000)),
    ("shape", ("1", 3, 64, 64)),
    ("shape", (2, 3, 64, 32)),
    ("more", 1),
)
_ARRAY_DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _redescribed,
    _redescribed,
    _with_odd_numbers,
    _of_another_length,
    _with_damaged_bytes,
)

_DAMAGES: tuple[Callable[[bytearray, random.Random], bytes], ...] = (
    _flipped,
    _flipped_at_the_start,
    _cut,
    _cut_out,
    _put_in,
    _repeated,
    _zeroed,
    _large_number,
)
