"""The folder in which onnxruntime's providers keep engines: ``x.onnx.cache/engines``, sealed.

An engine is code, and onnxruntime loads whatever lies there. A folder that came with the network,
from somewhere else, must not be loaded from: so what a session leaves behind is listed with its
hashes, under a code that only this machine can make (HMAC-SHA256, RFC 2104, keyed by the machine's
identity). A folder whose list does not hold is left alone and not used.
"""

import hashlib
import hmac
import json
import logging
import os
from pathlib import Path

from segpp.errors import OutputError
from segpp.utils.files import sha256_of, write_whole

__all__ = ["EngineCache"]

_LOG = logging.getLogger(__name__)
_SEAL = "sealed.json"
_IDENTITIES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_MOST_FILES = 64


class EngineCache:
    """The folder beside one network.

    Args:
        network: The network's file.
        identities: Where the machine's identity stands; the first that has one counts.

    Attributes:
        folder: Where engines are kept.
        is_usable: Whether everything in it was left there by segpp on this machine.
    """

    def __init__(self, network: Path, identities: tuple[Path, ...] = _IDENTITIES) -> None:
        self.folder = network.with_name(network.name + ".cache") / "engines"
        self._key = _key(identities)
        self.is_usable = self._key is not None and self._is_ours()

    def seal(self) -> None:
        """List what is in the folder now; where that cannot be written, quietly do without."""
        if not self.is_usable or not self.folder.is_dir():
            return
        try:
            files = self._files()
            kept = json.dumps({"code": self._code(files), "files": files}, indent=1)
            write_whole(self.folder / _SEAL, kept.encode())
        except (OSError, OutputError) as failure:
            _LOG.info("the engines in %s will not be used again: %s", self.folder, failure)

    def _is_ours(self) -> bool:
        if self.folder.is_symlink() or self.folder.parent.is_symlink():
            return False
        if not self.folder.exists():
            return True
        try:
            kept = json.loads((self.folder / _SEAL).read_text(encoding="utf-8"))
            code = str(kept.get("code")) if isinstance(kept, dict) else ""
            known = hmac.compare_digest(code, self._code(self._files()))
        except (OSError, ValueError, OutputError):
            known = False
        if not known:
            _LOG.info("%s was not made by segpp on this machine, and is not used", self.folder)
        return known

    def _code(self, files: dict[str, str]) -> str:
        text = json.dumps([str(self.folder.resolve()), files], sort_keys=True)
        return hmac.new(self._key or b"", text.encode(), hashlib.sha256).hexdigest()

    def _files(self) -> dict[str, str]:
        entries = sorted(path for path in self.folder.iterdir() if path.name != _SEAL)
        if len(entries) > _MOST_FILES or not all(
            path.is_file() and not path.is_symlink() for path in entries
        ):
            raise OutputError(f"{self.folder} holds more than engines")
        return {path.name: sha256_of(path) for path in entries}


def _key(identities: tuple[Path, ...]) -> bytes | None:
    for path in identities:
        try:
            identity = path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if identity:
            return f"segpp engines of {os.getuid()} on {identity}".encode()
    return None
