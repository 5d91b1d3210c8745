"""The functions and classes that a pickle asks for, found without running it."""

import pickletools
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["globals_in"]

# A checkpoint from before PyTorch 1.6 is five pickles in a row, then raw numbers.
_MOST_PICKLES = 8

_NO_STRING = ""


def globals_in(path: Path) -> list[str]:
    """Return the dotted names that the pickles in a file ask for, in order of appearance.

    Used to explain a refusal, not to decide on one: what cannot be parsed is left out.
    """
    # A file made to harm may break the parser in any way; the names up to there are enough.
    found: list[str] = []
    with suppress(Exception):
        for name in _names(path):
            found.append(name)  # noqa: PERF402 - keeps what came before a failure
    return list(dict.fromkeys(found))


def _names(path: Path) -> Iterator[str]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for entry in archive.namelist():
                if entry.endswith(".pkl"):
                    with archive.open(entry) as file:
                        yield from _asked(file)
        return
    with path.open("rb") as file:
        for _ in range(_MOST_PICKLES):
            yield from _asked(file)


def _asked(file: IO[bytes]) -> Iterator[str]:
    # From protocol 4 on, module and name are strings, and a repeated string comes from the memo.
    strings: list[str] = []
    memo: dict[object, str] = {}
    pushed = _NO_STRING
    for opcode, argument, _ in pickletools.genops(file):
        kind = opcode.name
        if kind == "MEMOIZE":
            memo[len(memo)] = pushed
        elif "PUT" in kind:
            memo[argument] = pushed
        elif kind in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
            pushed = _NO_STRING
        elif kind == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
            pushed = _NO_STRING
        else:
            pushed = memo.get(argument, _NO_STRING) if "GET" in kind else _string(argument)
            strings += [pushed] if pushed else []


def _string(argument: object) -> str:
    return argument if isinstance(argument, str) else _NO_STRING
