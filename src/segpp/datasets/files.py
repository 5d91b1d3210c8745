"""What lies in a folder, or fits a pattern, with the name by which partners are found."""

import os
import re
import unicodedata
from collections.abc import Iterator
from glob import glob
from pathlib import Path

from segpp.errors import ImageError

__all__ = ["common_name", "files_by_name", "normal"]

# What a pattern stands for: any folders, anything within a name, one character of it.
_WILD = re.compile(r"(\*\*/?|\*|\?)")


def files_by_name(
    place: Path, suffix: str, endings: frozenset[str], contents: str, *, without: str = ""
) -> dict[str, Path]:
    """Return the files of a folder, or of a pattern, by what their partners' names have as well.

    Sub-folders are searched, linked ones too, and belong to the name; endings like ``.jpg`` do not.
    Of a pattern, the name is what its stars stand for. Names that begin with a dot are left out.

    Args:
        place: A folder, or a pattern with stars.
        suffix: What stands behind the common part of a name ("_leftImg8bit"); files without it are
            passed over.
        endings: Of the files that are looked for, ``.png``.
        contents: What they are, for messages.
        without: Files whose names end so are passed over: labels beside their images.

    Raises:
        ImageError: There are none, or two of one name.
    """
    pattern = _WILD.search(str(place)) is not None and not place.exists()
    found: dict[str, Path] = {}
    for path, name in _matching(place) if pattern else _inside(place, contents):
        if path.suffix.lower() not in endings or not normal(path.stem).endswith(normal(suffix)):
            continue
        if without and normal(path.stem).endswith(normal(without)):
            continue
        key = name if pattern else common_name(Path(name), suffix)
        if key in found:
            raise ImageError(f"two files of {place} have one name", str(found[key]), str(path))
        found[key] = path
    if not found:
        raise _nothing(place, suffix, endings, contents)
    return found


def common_name(path: Path, suffix: str) -> str:
    """Return what a file's path has in common with its partner's."""
    stem = normal(path.stem)
    return normal(path.with_name(stem.removesuffix(normal(suffix)) or stem).as_posix())


def normal(name: str) -> str:
    """Return a name as one spelling: an accent is one sign or two, by the system that wrote it."""
    return unicodedata.normalize("NFC", name)


def _inside(folder: Path, contents: str) -> Iterator[tuple[Path, str]]:
    """Yield the files of a folder and their paths inside it, in the order of names."""
    if not folder.is_dir():
        raise ImageError(f"the folder of {contents} {folder} does not exist")
    found = [Path(root, name) for root, names in _walk(folder) for name in names]
    for path in sorted(found):
        yield path, path.relative_to(folder).as_posix()


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield folders with their files, linked ones too, each once: a link may lead upwards."""
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield root, [name for name in names if not name.startswith(".")]


def _matching(pattern: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files that fit a pattern, and what its stars stand for in each."""
    parts = _WILD.split(str(pattern))
    expression = "".join(_expression(part) for part in parts)
    # Brackets are parts of names; what they would stand for in a pattern, stars do.
    globbed = str(pattern).replace("[", "[[]")
    for name in sorted(glob(globbed, recursive=True)):  # noqa: PTH207 - absolute ones too
        path = Path(name)
        match = re.fullmatch(expression, name)
        if match is not None and path.is_file() and not path.name.startswith("."):
            yield path, normal("/".join(match.groups()))


def _expression(part: str) -> str:
    if part.startswith("**"):
        return "((?:.*/)?)" if part.endswith("/") else "(.*)"
    return {"*": "([^/]*)", "?": "([^/])"}.get(part, re.escape(part))


def _nothing(place: Path, suffix: str, endings: frozenset[str], contents: str) -> ImageError:
    ends = f"*{suffix} with the ending " if suffix else ""
    problem = (
        "the folder {} holds no {}" if place.exists() else "nothing fits the pattern {}: no {}"
    )
    return ImageError(
        problem.format(place, contents),
        f"looked for: {ends}{', '.join(sorted(endings))}",
        hint=_jpeg_hint(place, endings),
    )


def _jpeg_hint(folder: Path, endings: frozenset[str]) -> str | None:
    jpegs = {".jpg", ".jpeg"} - endings
    if not folder.is_dir() or not any(p.suffix.lower() in jpegs for p in folder.rglob("*")):
        return None
    return "it holds JPEG files, which do not keep class numbers: save the labels as PNG"
