"""Names of pictures in a file, with or without their labels: VOC's ``val.txt`` and the like.

    2007_000033                     a name, found in the folders of images and labels
    a/1.jpg  b/1.png                a picture and its labels; also with a tab, a comma or ; between

Empty lines and those that begin with ``#`` say nothing.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from segpp.datasets.files import normal
from segpp.datasets.labels import LABEL_SUFFIXES
from segpp.datasets.pairs import Pair
from segpp.errors import ImageError, InputError
from segpp.images.preprocess import IMAGE_SUFFIXES
from segpp.utils.files import check_file

__all__ = ["Folders", "pairs_of_list", "read_names"]

# Paths with spaces are separated by something else.
_SEPARATORS = (re.compile(r"[\t;,]"), re.compile(r"\s+"))
_MOST_BYTES = 64 << 20
_TWO = 2
_ENDINGS = IMAGE_SUFFIXES | LABEL_SUFFIXES

# The files of a folder by the name that their partners have as well, images and labels.
Folders = tuple[Mapping[str, Path], Mapping[str, Path]]


def read_names(path: Path) -> list[tuple[str, ...]]:
    """Return the columns of each line.

    Raises:
        InputError: It is missing, no text, empty, or a line has more than two columns.
    """
    check_file(path, kind="list")
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"the list {path} has more than {_MOST_BYTES >> 20} MiB")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as failure:
        raise InputError(f"the list {path} is no text", str(failure)) from failure
    names = [_columns(line, number, path) for number, line in _lines(text)]
    if not names:
        raise InputError(f"the list {path} names nothing")
    return names


def pairs_of_list(path: Path, folders: Folders | None) -> tuple[Pair, ...]:
    """Return the pairs that a list names, in its order.

    Args:
        path: The list; paths in it are relative to it.
        folders: What lies in the folders of images and labels, for names alone.

    Raises:
        ImageError: A file of it is missing.
        InputError: It cannot be read, or names alone are given without folders.
    """
    sides = tuple(_Side(files) for files in folders) if folders is not None else None
    return tuple(_pair(names, path, sides) for names in read_names(path))


class _Side:
    """The files of one side, found by their whole name or by its last part."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._by_last: dict[str, list[Path]] = {}
        for key, file in files.items():
            self._by_last.setdefault(key.rpartition("/")[2], []).append(file)

    def find(self, name: str) -> list[Path]:
        """Return the file of a name, with or without its ending; all where the last part fits."""
        whole = PurePosixPath(normal(name))
        for candidate in (whole.as_posix(), _without_ending(whole)):
            if candidate in self._files:
                return [self._files[candidate]]
        return self._by_last.get(normal(name), [])


def _without_ending(name: PurePosixPath) -> str:
    # "run.3" is no name of the file run.png.
    known = name.suffix.lower() in _ENDINGS
    return name.with_suffix("").as_posix() if known else name.as_posix()


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip()


def _columns(line: str, number: int, path: Path) -> tuple[str, ...]:
    for separator in _SEPARATORS:
        parts = tuple(part.strip() for part in separator.split(line) if part.strip())
        if len(parts) == _TWO:
            return parts
    # A name may hold a space; more columns are something else than a list of pictures.
    if len(line.split()) > _TWO:
        raise InputError(
            f"line {number} of the list {path} has {len(line.split())} columns",
            "a name, or a picture and its labels",
        )
    return (line,)


def _pair(names: tuple[str, ...], path: Path, sides: tuple[_Side, ...] | None) -> Pair:
    if len(names) == _TWO:
        return Pair(*(_file(name, path) for name in names))
    if sides is None:
        raise InputError(
            f"the list {path} has names alone",
            hint="say where they lie: `images` and `labels`, or `dataset`",
        )
    image, labels = (_named(names[0], side, path) for side in sides)
    return Pair(image, labels)


def _file(name: str, path: Path) -> Path:
    found = path.parent / name
    if not found.is_file():
        raise ImageError(f"{name} of the list {path} does not exist", f"looked for: {found}")
    return found


def _named(name: str, side: _Side, path: Path) -> Path:
    found = side.find(name)
    if len(found) == 1:
        return found[0]
    why = "two files have that name" if found else "no file has that name"
    raise ImageError(f"{name} of the list {path}: {why}", *map(str, found[:_TWO]))
