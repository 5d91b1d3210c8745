"""A manifest as the JSON file beside the file that it is about: ``x.onnx`` and ``x.onnx.json``."""

import json
from pathlib import Path
from shlex import quote
from typing import Any

from segpp.errors import ManifestError
from segpp.manifest.consistency import check_consistent
from segpp.manifest.dataclass_json import decode, encode
from segpp.manifest.schema import SCHEMA, Manifest
from segpp.utils import arguments
from segpp.utils.files import check_file, difference, manifest_path

__all__ = ["load_json", "parse_manifest", "read_manifest", "render_manifest"]

# A manifest is a few kilobytes; anything much larger is not one.
_MAX_BYTES = 4 << 20
# What lies beside checkpoints, by its kind.
_DONE = {"distillation": "distilled", "training": "trained", "policy": "given a policy"}


def render_manifest(manifest: Manifest) -> str:
    """Return the manifest as the text of its file."""
    text = json.dumps(encode(manifest), indent=2, ensure_ascii=False, allow_nan=False)
    # A file name that is not UTF-8 has surrogates, which only JSON's escapes can hold.
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def read_manifest(path: Path | str, *, verify: bool = True) -> Manifest:
    """Read the manifest beside ``path``.

    Args:
        path: The ONNX or engine file (not the JSON).
        verify: Compare the file's SHA-256 with the manifest's.

    Raises:
        ManifestError: It is missing, damaged, of another schema, or about another file.
        InputError: An argument is wrong, or the file that the manifest is about cannot be read.

    Example:
        >>> segpp.read_manifest("b0.onnx").input.shape
        (1, 3, 512, 1024)
    """
    path = arguments.path("path", path)
    is_verified = arguments.flag("verify", verify)
    beside = manifest_path(path)
    check_file(beside, kind="manifest", error=ManifestError)
    manifest = parse_manifest(load_json(beside), str(beside))
    if not is_verified:
        return manifest
    check_file(path, kind="file")
    about = manifest.file
    if (found := difference(path, about.bytes, about.sha256)) is not None:
        raise ManifestError(
            f"{beside} was written for another file than {path}",
            f"built for: {about.name} {about.sha256[:16]}…",
            f"found:     {path.name} {found}",
            hint=_way_out(path, manifest),
        )
    return manifest


def _way_out(path: Path, manifest: Manifest) -> str:
    if manifest.kind == "engine":
        onnx = path.with_name(manifest.source.name)
        # What is in its place now is no file of segpp.
        return f"build it again: segpp-build-engine {quote(str(onnx))} {quote(str(path))} --force"
    return "export again, or put the manifest that belongs to the file beside it"


def parse_manifest(value: Any, where: str = "manifest") -> Manifest:
    """Return parsed JSON as a manifest.

    Raises:
        ManifestError: It does not follow the schema, or its parts contradict each other.
    """
    given = value if isinstance(value, dict) else {}
    kind = given.get("kind")
    if isinstance(kind, str) and (done := _DONE.get(kind)):
        raise ManifestError(
            f"{where} tells how a checkpoint was {done}, and is the manifest of no file to run",
            hint="inspect the checkpoint beside it, or the file that segpp-export makes of that",
        )
    version = given.get("schema")
    if version != SCHEMA:
        raise ManifestError(
            f"{where} has the schema {version!r:.80}", f"this segpp reads schema {SCHEMA}"
        )
    try:
        manifest = decode(Manifest, value, where)
    except RecursionError as failure:
        raise ManifestError(f"{where} is nested too deeply") from failure
    check_consistent(manifest, where)
    return manifest


def load_json(path: Path) -> Any:
    """Return what is in a JSON file that may be anybody's.

    Raises:
        ManifestError: It is too large for a manifest, or no JSON.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise ManifestError(f"{path} is {path.stat().st_size:,} bytes, too large for a manifest")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as failure:
        raise ManifestError(f"{path} is not JSON", f"{failure!s:.200}") from failure
