"""The pictures of a training: those that can be read, in the order of a film."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from segpp.datasets.sources import paths_of
from segpp.errors import ImageError, InputError
from segpp.utils.files import check_file

__all__ = ["FEW", "LEAST", "check_enough", "digest_of", "find_pictures"]

# Fewer cannot be split into two parts that say anything; below the other, they are warned about.
LEAST = 8
FEW = 50


def find_pictures(sources: Iterable[str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return the pictures that folders, patterns, lists and files name, and what is left out.

    Args:
        sources: Of pictures.

    Returns:
        Each picture once, sorted by folder and name, so that frames of a film are neighbours; and
        a sentence for each file that is missing or empty.

    Raises:
        ImageError: One of the sources names no picture.
        InputError: There are fewer than ``LEAST``.
    """
    found = {path.resolve(): path for source in sources for path in paths_of(source)}
    ordered = sorted(found.values(), key=lambda path: (str(path.parent), path.name))
    problems = {path: _problem_of(path) for path in ordered}
    kept = tuple(path for path, problem in problems.items() if problem is None)
    left_out = tuple(problem for problem in problems.values() if problem is not None)
    check_enough(kept, left_out)
    return kept, left_out


def _problem_of(path: Path) -> str | None:
    try:
        check_file(path, kind="image", error=ImageError)
    except ImageError as failure:
        return f"left out: {failure.problem}"
    return None


def check_enough(pictures: Sequence[Path], left_out: Sequence[str] = ()) -> None:
    """Raise InputError if there are too few pictures."""
    if len(pictures) < LEAST:
        raise InputError(
            f"{len(pictures)} picture(s) are too few to train with",
            f"at least {LEAST} are needed, and hundreds are better",
            *left_out[:LEAST],
        )


def digest_of_bytes(files: Sequence[Path]) -> str:
    """Return a fingerprint of files' names and of all that they hold, as of labels."""
    digest = hashlib.sha256()
    for path in files:
        name = path.name.encode("utf-8", "surrogateescape")
        digest.update(name + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def digest_of(pictures: Sequence[Path]) -> str:
    """Return a fingerprint of which pictures these are: names and sizes, not every byte."""
    digest = hashlib.sha256()
    for path in pictures:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
