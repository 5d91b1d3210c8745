"""The folders of servers: which may be replaced, and how they appear whole or not at all."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from segpp import __version__
from segpp.errors import OutputError
from segpp.export.serving.base import RECORD, SERVERS, Served, served_folder, served_paths
from segpp.utils.files import atomic_write, check_writable, sha256_of

__all__ = ["check_folders", "served_folders", "write_served", "writing_all"]

_MAX_RECORD_BYTES = 1 << 20


def served_folders(out: Path, servers: Sequence[str]) -> dict[str, Path]:
    """Return the folder of each server."""
    return {server: served_folder(out, server) for server in servers}


def check_folders(
    out: Path, servers: Sequence[str], *, inputs: Iterable[Path], force: bool
) -> None:
    """Raise OutputError now if a file of a server's folder cannot or must not be written.

    Args:
        out: The ONNX file beside which the folders go.
        servers: Names in ``SERVERS``.
        inputs: Files that are read; none of them is replaced, forced or not.
        force: Replace files that segpp did not write, or that were changed since, too.
    """
    if servers:
        _check_name(out)
    read = [path for path in inputs if path.exists()]
    for server in servers:
        folder = served_folder(out, server)
        if folder.exists() and not folder.is_dir():
            raise OutputError(
                f"{folder} is a file, and the folder for {server} goes there",
                hint="name the ONNX file otherwise",
            )
        written = _written(folder)
        for name, path in served_paths(out, server).items():
            _check_file(path, written.get(name), read, force=force or name == RECORD)


def _check_name(out: Path) -> None:
    """Refuse what is no name of a folder, or cannot stand in a server's files."""
    try:
        is_text = bool(out.stem.encode())
    except UnicodeEncodeError:
        is_text = False
    if not is_text or out.stem in {".", ".."}:
        raise OutputError(
            f"{out} cannot be served under its name", hint="name the ONNX file otherwise"
        )


def _check_file(path: Path, written: str | None, read: Sequence[Path], *, force: bool) -> None:
    if path.parent.is_dir():
        check_writable(path)
    if not path.exists():
        return
    if any(path.samefile(one) for one in read):
        raise OutputError(f"{path} is the input itself", hint="write to another file")
    if not force and written != sha256_of(path):
        raise OutputError(
            f"{path} exists, and is not as segpp wrote it",
            hint="move it away, or replace it: --force (force=True)",
        )


def _written(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that segpp wrote into a folder, by its record there."""
    record = folder / RECORD
    try:
        if not record.is_file() or record.stat().st_size > _MAX_RECORD_BYTES:
            return {}
        value = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    files = value.get("files") if isinstance(value, dict) and "segpp" in value else None
    return files if isinstance(files, dict) else {}


@contextmanager
def writing_all(
    files: Sequence[Path], out: Path, servers: Sequence[str]
) -> Iterator[tuple[tuple[Path, ...], tuple[Path, ...]]]:
    """Yield temporary paths for files, and for those of servers' folders; move all at the end.

    If anything fails, nothing is left of them, nor of the folders made for them.

    Args:
        files: The ONNX file and what lies beside it.
        out: The ONNX file.
        servers: Names in ``SERVERS``.

    Raises:
        OutputError: As ``atomic_write``.
    """
    served = [path for server in servers for path in served_paths(out, server).values()]
    with _new_folders(served), atomic_write(*files, *served) as parts:
        yield parts[: len(files)], parts[len(files) :]


@contextmanager
def _new_folders(paths: Iterable[Path]) -> Iterator[None]:
    """Make the folders that ``paths`` need; if the block fails, those made go again.

    Raises:
        OutputError: One cannot be made.
    """
    missing = {folder for path in paths for folder in path.parents if not folder.exists()}
    made = []
    try:
        for folder in sorted(missing):
            folder.mkdir()
            made.append(folder)
        yield
    except BaseException as failure:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        if isinstance(failure, OSError) and len(made) < len(missing):
            raise OutputError(f"a folder cannot be made: {failure}") from failure
        raise


def write_served(served: Served, servers: Sequence[str], parts: Sequence[Path]) -> None:
    """Write every file of the servers' folders to ``parts``, as ``writing_all`` yields them."""
    contents = [content for server in servers for content in _contents(served, server)]
    for part, content in zip(parts, contents, strict=True):
        part.write_bytes(content)


def _contents(served: Served, server: str) -> Iterator[bytes]:
    files = SERVERS[server].files(served)
    names = SERVERS[server].names(served.name)
    yield from (files[name] for name in names)
    hashes = {name: sha256(files[name]).hexdigest() for name in names}
    record = {"segpp": __version__, "server": server, "files": hashes}
    yield (json.dumps(record, indent=2) + "\n").encode()
