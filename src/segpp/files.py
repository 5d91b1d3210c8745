"""Files that appear whole or not at all, and their fingerprints."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from segpp.errors import InputError, OutputError

__all__ = ["require_file", "require_writable", "sha256_of", "sidecar", "whole_or_nothing"]

_CHUNK_BYTES = 1 << 20


def sidecar(path: Path) -> Path:
    """Return the path of the manifest beside ``path``: ``x.onnx`` has ``x.onnx.json``."""
    return path.with_name(path.name + ".json")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def require_file(path: Path, *, kind: str, error: type[InputError] = InputError) -> None:
    """Raise ``error`` unless ``path`` is a readable file with something in it."""
    if not path.exists():
        raise error(f"{kind} {path} does not exist")
    if path.is_dir():
        raise error(f"{path} is a folder, not {kind}")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as failure:
        raise error(f"{kind} {path} cannot be read", failure.strerror or str(failure)) from failure
    if empty:
        raise error(f"{kind} {path} is empty")


def require_writable(path: Path) -> None:
    """Raise OutputError now if ``path`` could not be written after minutes of work.

    Tries for real: permissions alone do not show a read-only mount or a full disk.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder", hint="give the name of a file")
    with _as_output_error(path):
        part = _part(path)
        part.write_bytes(b"\0")
        part.unlink()


@contextmanager
def whole_or_nothing(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary path for each of ``paths`` and move all into place at the end.

    The files are flushed to the disk before the first is renamed. If anything fails, Ctrl-C
    included, the temporary files go and none of ``paths`` is left new beside an old one.

    Raises:
        OutputError: The disk is full, or the folder is missing or read-only.
    """
    parts = tuple(_part(path) for path in paths)
    try:
        with _as_output_error(paths[0]):
            yield parts
            for part in parts:
                _flush(part)
            _move_all(parts, paths)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _move_all(parts: tuple[Path, ...], paths: tuple[Path, ...]) -> None:
    moved: list[Path] = []
    try:
        for part, path in zip(parts, paths, strict=True):
            part.replace(path)
            moved.append(path)
        _flush(paths[0].parent)
    except BaseException:
        for path in moved:
            path.unlink(missing_ok=True)
        raise


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        # Some network file systems refuse to sync a folder; the rename is done all the same.
        with suppress(OSError) if path.is_dir() else _nothing():
            os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _as_output_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        reason = failure.strerror or str(failure)
        hint = _HINTS.get(failure.errno or 0)
        raise OutputError(f"cannot write {path}", reason, hint=hint) from failure


_HINTS = {
    errno.ENOSPC: "free some space or write to another disk",
    errno.EDQUOT: "free some of your quota or write to another disk",
    errno.EACCES: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that is not mounted read-only",
    errno.ENOENT: "create the folder first",
}
