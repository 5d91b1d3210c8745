"""Files that appear whole or not at all, and their fingerprints."""

import errno
import hashlib
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from segpp.errors import InputError, OutputError

__all__ = [
    "atomic_write",
    "certificate_path",
    "check_file",
    "check_writable",
    "difference",
    "hint_of",
    "manifest_path",
    "remove_parts",
    "sha256_of",
    "write_whole",
]

_CHUNK_BYTES = 1 << 20
# Of this machine alone: on a shared disk the process may live on another.
_HOST = hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:6]
_PART = re.compile(rf"\.segpp\.[0-9a-f]{{12}}\.{_HOST}\.(\d{{1,10}})(?:-\d+)?\.(?:part|old)")
# Folders that this process has looked into: once each, or a run over 10,000 images would crawl.
_cleaned: set[Path] = set()
# What is being written now, and whether it is just being moved into place.
_live: set[Path] = set()
_moving = threading.Lock()

# next() of it is one step of the interpreter, so no two threads get the same number.
_CALLS = count(1)


def manifest_path(path: Path) -> Path:
    """Return the path of the manifest beside ``path``: ``x.onnx`` has ``x.onnx.json``."""
    return path.with_name(path.name + ".json")


def certificate_path(path: Path) -> Path:
    """Return the path of the certificate beside ``path``: ``x.onnx`` has ``x.onnx.probe.zip``."""
    return path.with_name(path.name + ".probe.zip")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def difference(path: Path, size: int, sha256: str) -> str | None:
    """Return how a file differs from one that was described, or None if it is the same."""
    # One of another size need not be read: it may be very large.
    if (found := path.stat().st_size) != size:
        return f"{found:,} bytes, not {size:,}"
    digest = sha256_of(path)
    return None if digest == sha256 else f"{digest[:16]}…"


def check_file(path: Path, *, kind: str, error: type[InputError] = InputError) -> None:
    """Raise ``error`` unless ``path`` is a readable file with something in it."""
    try:
        problem = _problem_of(path)
    except OSError as failure:
        raise error(f"{kind} {path} cannot be read", failure.strerror or str(failure)) from failure
    if problem:
        raise error(f"{kind} {path} {problem}")


def _problem_of(path: Path) -> str | None:
    if not path.exists():
        return "does not exist"
    if path.is_dir():
        return "is a folder"
    # A pipe may never begin and a device never end.
    if not path.is_file():
        return "is a device or a pipe"
    with path.open("rb") as file:
        return None if file.read(1) else "is empty"


def check_writable(path: Path) -> None:
    """Raise OutputError now if ``path`` could not be written after minutes of work.

    Tries for real: permissions alone do not show a read-only mount or a full disk.
    """
    with _as_output_error(path):
        _check_name(path)
        _check_replaceable(path)
        _remove_stale(path.parent)
        part = _part(path)
        try:
            part.write_bytes(b"\0")
        finally:
            part.unlink(missing_ok=True)


def _check_name(path: Path) -> None:
    # The name of the part may be shorter than this one, and fit where this does not.
    with suppress(FileNotFoundError):
        path.lstat()


def _check_replaceable(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder", hint="give the name of a file")
    # Renaming a file to /dev/null would replace the device, for everybody.
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is a device or a pipe", hint="give the name of a file")


@contextmanager
def atomic_write(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary path for each of ``paths`` and move all into place at the end.

    The files are flushed to the disk before the first is renamed. If anything fails, Ctrl-C
    included, the temporary files go and what stood at ``paths`` before stands there again.

    Raises:
        OutputError: The disk is full, or the folder is missing or read-only.
    """
    parts = tuple(_part(path) for path in paths)
    try:
        with _as_output_error(paths[0]):
            for path in paths:
                _check_name(path)
                _check_replaceable(path)
            _remove_stale(paths[0].parent)
            _live.update(parts)
            yield parts
            for part in parts:
                _flush(part)
            with _moving:
                _move_all(parts, paths)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
        _live.difference_update(parts)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputError: As ``atomic_write``; it names this file, whatever else is being written.
    """
    with atomic_write(path) as (part,):
        part.write_bytes(content)


def remove_parts() -> None:
    """Remove what this process is writing, from another thread, right before its end."""
    # What is being moved is whole: it may arrive, if that takes no longer than a moment.
    held = _moving.acquire(timeout=0.5)
    for part in tuple(_live):
        with suppress(OSError):
            part.unlink(missing_ok=True)
    if held:
        _moving.release()


def _move_all(parts: tuple[Path, ...], paths: tuple[Path, ...]) -> None:
    olds = tuple(_part(path, "old") for path in paths)
    moved: list[tuple[Path, Path]] = []
    try:
        for old, part, path in zip(olds, parts, paths, strict=True):
            _keep(path, old)
            part.replace(path)
            moved.append((old, path))
        _flush(paths[0].parent)
    except BaseException:
        for old, path in moved:
            _restore(path, old)
        raise
    finally:
        for old in olds:
            old.unlink(missing_ok=True)


def _keep(path: Path, old: Path) -> None:
    # Where the file system has no hard links, the new file replaces the old one for good.
    with suppress(OSError):
        os.link(path, old)


def _restore(path: Path, old: Path) -> None:
    if old.exists():
        old.replace(path)
    else:
        path.unlink(missing_ok=True)


def _part(path: Path, role: str = "part") -> Path:
    # Not the name itself: one that is as long as the disk allows would leave no room.
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]
    # Another one at every call: two threads may write one file, and the last one wins.
    return path.with_name(f".segpp.{digest}.{_HOST}.{os.getpid()}-{next(_CALLS)}.{role}")


def _remove_stale(folder: Path) -> None:
    """Remove the parts that processes of this machine left when they were killed."""
    if folder.resolve() in _cleaned:
        return
    _cleaned.add(folder.resolve())
    with suppress(OSError):
        for entry in folder.iterdir():
            found = _PART.fullmatch(entry.name)
            if found and not _lives(int(found[1])) and not entry.is_dir():
                with suppress(OSError):
                    entry.unlink()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


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
        raise OutputError(f"cannot write {path}", reason, hint=hint_of(failure)) from failure


def hint_of(failure: Exception) -> str | None:
    """Return what helps where the disk refuses, by the failure's ``errno``; else None."""
    return _HINTS.get(getattr(failure, "errno", None) or 0)


_HINTS = {
    errno.ENOSPC: "free some space or write to another disk",
    errno.EFBIG: "raise the limit (ulimit -f), or write to a disk that takes larger files",
    errno.EDQUOT: "free some of your quota or write to another disk",
    errno.EACCES: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that is not mounted read-only",
    errno.ENOENT: "create the folder first",
}
