"""Compiled networks kept beside their files: ``x.onnx.cache/``, one per way of running them.

What is kept is a copy: it may vanish at any time, and one that is damaged, or was made from
another file or by another version, is replaced. Whoever can write beside a network can replace
the network too, so the folder is trusted as far as the file.
"""

import hashlib
import logging
from pathlib import Path

from segpp.errors import OutputError
from segpp.utils.files import atomic_write

__all__ = ["cache_key", "compiled_path", "load", "store"]

_LOG = logging.getLogger(__name__)
_MAGIC = b"segpp compiled network 1\n"
_DIGEST_BYTES = 32


def compiled_path(network: Path, name: str) -> Path:
    """Return where the compiled form called ``name`` of a network is kept."""
    return network.with_name(network.name + ".cache") / f"{name}.blob"


def cache_key(*parts: str) -> bytes:
    """Return what identifies a compiled form: it changes if any of ``parts`` does."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.digest()


def load(path: Path, key: bytes) -> bytes | None:
    """Return what was kept at ``path`` under ``key``, or None if that is not there unharmed."""
    head = _MAGIC + key
    try:
        # A pipe may never begin and a device never end; what is foreign is not read to its end.
        if path.is_symlink() or not path.is_file():
            return None
        with path.open("rb") as file:
            known = file.read(len(head)) == head
            digest, blob = (file.read(_DIGEST_BYTES), file.read()) if known else (b"", b"")
    except OSError:
        return None
    if known and digest == hashlib.sha256(blob).digest():
        return blob
    _LOG.info("%s is damaged or of another file or version; it will be replaced", path)
    return None


def store(path: Path, key: bytes, blob: bytes) -> None:
    """Keep ``blob`` at ``path``; where that cannot be written, quietly do without."""
    try:
        path.parent.mkdir(exist_ok=True)
        with atomic_write(path) as (part,):
            part.write_bytes(_MAGIC + key + hashlib.sha256(blob).digest() + blob)
    except (OSError, OutputError) as failure:
        _LOG.info("the compiled network is not kept: %s", failure)
