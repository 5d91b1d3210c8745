"""Pictures without labels: what folders, patterns, lists and files name."""

from collections.abc import Iterator
from glob import glob
from pathlib import Path

from segpp.errors import ImageError
from segpp.images.channels import ARRAY_SUFFIX
from segpp.images.preprocess import IMAGE_SUFFIXES
from segpp.utils.files import check_file

__all__ = ["paths_of"]

_READ = IMAGE_SUFFIXES | {ARRAY_SUFFIX}
_LIST_SUFFIX = ".txt"


def paths_of(source: str) -> list[Path]:
    """Return the pictures that a source names, in no order.

    Args:
        source: A folder, read one level deep; a pattern; a ``.txt`` file with a path a line,
            relative to its own folder; or a picture.

    Raises:
        ImageError: It names none.
    """
    path = Path(source)
    if path.is_dir():
        found = [file for file in path.iterdir() if _is_picture(file)]
    elif path.suffix.lower() == _LIST_SUFFIX:
        found = list(_listed(path))
    elif path.exists() or not any(sign in source for sign in "*?["):
        found = [path]
    else:
        found = [Path(file) for file in glob(source, recursive=True) if _is_picture(Path(file))]  # noqa: PTH207 - a pattern may be absolute
    if not found:
        raise ImageError(f"{source} names no pictures", f"read are: {', '.join(sorted(_READ))}")
    return found


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _READ and not path.name.startswith(".") and path.is_file()


def _listed(path: Path) -> Iterator[Path]:
    check_file(path, kind="list", error=ImageError)
    for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        if name := line.strip():
            yield path.parent / name
