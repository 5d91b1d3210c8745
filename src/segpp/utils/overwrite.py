"""Which existing files an output may replace: those that segpp wrote itself, of the same kind.

Whatever segpp writes carries a mark that can be found without a library:

    onnx         the producer ``segpp`` in the first bytes of the model
    engine       a manifest beside it with the file's SHA-256; so a ``checkpoint``, a file or folder
    manifest     a JSON object with the keys ``segpp``, ``schema`` and ``kind``
    picture      PNG: a text chunk ``Software`` of ``segpp``; JPEG: a comment ``segpp``;
                 TIFF: the tag Software
    table        CSV: the first columns of one of segpp's tables
    video        the container's comment ``segpp``
    report       HTML: ``<meta name="generator" content="segpp">``
    calibration  as a manifest, of the kind ``calibration``; so ``distillation``, ``training`` and
                 ``policy``, each of which may replace the others, and ``verified``
    certificate  a zip archive that begins with a stored ``proof.json`` of the key ``segpp``

Docs: docs/file-formats.md, "What is replaced".
"""

import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Literal

from segpp.errors import OutputError
from segpp.utils.files import certificate_path, check_writable, manifest_path, sha256_of

__all__ = ["MARK", "TABLE_HEADS", "OutputKind", "check_distinct", "check_output_file", "is_own"]

OutputKind = Literal[
    "onnx",
    "engine",
    "checkpoint",
    "manifest",
    "picture",
    "table",
    "video",
    "report",
    "calibration",
    "distillation",
    "training",
    "policy",
    "certificate",
    "verified",
]

# What stands in the files of every kind that has room for it.
MARK = "segpp"

# The first columns of the tables, which no other program is likely to write.
TABLE_HEADS = (
    "model,miou,pixel_accuracy,agreement,images_per_second",
    "model,file,backend,stage,samples,mean,deviation,min,max",
)

# The kinds of our JSON files that are no manifests.
_TRAININGS = ("distillation", "training", "policy")
_OTHER_JSON = ("calibration", *_TRAININGS, "verified")

_TIFF = (b"II*\0", b"II+\0", b"MM\0*", b"MM\0+")
_HEAD_BYTES = _TAIL_BYTES = 1 << 14
_MAX_MANIFEST_BYTES = 4 << 20

_NAMES: dict[OutputKind, str] = {
    "onnx": "an ONNX file",
    "engine": "an engine",
    "checkpoint": "a checkpoint",
    "manifest": "a manifest",
    "picture": "a picture",
    "table": "a table",
    "video": "a video",
    "report": "a report",
    "calibration": "a report of a calibration",
    "distillation": "a report of a distillation",
    "training": "a report of a training",
    "policy": "a report of a policy's training",
    "certificate": "a certificate",
    "verified": "a record of where a certificate was proved again",
}


def check_output_file(
    path: Path, kind: OutputKind, *, inputs: Iterable[Path] = (), force: bool = False
) -> None:
    """Raise OutputError now if ``path`` cannot or must not be written.

    Args:
        kind: What is going to be written there.
        inputs: Files that are read; none of them is replaced, forced or not, nor a manifest
            or certificate beside one.
        force: Replace a file that segpp did not write, too.
    """
    check_writable(path)
    if not path.exists():
        return
    beside = ((one, manifest_path(one), certificate_path(one)) for one in inputs)
    for given in chain.from_iterable(beside):
        if given.exists() and path.samefile(given):
            raise OutputError(
                f"{path} is the input itself, and would be replaced by {_NAMES[kind]}",
                hint="write to another file",
            )
    if not force and not is_own(path, kind):
        raise OutputError(
            f"{path} exists, and is not {_NAMES[kind]} that segpp wrote",
            hint="name another file, or replace this one: --force (force=True)",
        )


def check_distinct(outputs: Iterable[Path | str | None]) -> None:
    """Raise OutputError if two outputs are one file, of which the first would be lost.

    Args:
        outputs: Files that are going to be written; None stands for one that is not asked for.
    """
    seen: dict[Path, Path | str] = {}
    for path in (one for one in outputs if one):
        place = Path(path).resolve()
        if place in seen:
            raise OutputError(f"{seen[place]} and {path} are one file, and both would be written")
        seen[place] = path


def is_own(path: Path, kind: OutputKind) -> bool:
    """Return whether a file is one of ``kind`` that segpp wrote, or empty."""
    if path.stat().st_size == 0:
        return True
    if kind in ("engine", "checkpoint"):
        return _has_manifest(path)
    if kind in ("manifest", *_OTHER_JSON):
        found = _manifest(path).get("kind")
        if kind in _TRAININGS:
            return found in _TRAININGS
        return found == kind if kind in _OTHER_JSON else found not in (None, *_OTHER_JSON)
    return _carries_mark(path, kind)


def _carries_mark(path: Path, kind: OutputKind) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read(_TAIL_BYTES)
    mark = MARK.encode()
    if kind == "onnx":
        # ir_version (field 1, one byte), then producer_name (field 2) with its length.
        return head[:1] == b"\x08" and head[2:].startswith(bytes([0x12, len(mark)]) + mark)
    if kind == "picture":
        png, jpeg = b"tEXtSoftware\0" + mark, b"\xff\xfe\0" + bytes([len(mark) + 2]) + mark
        tiff = head.startswith(_TIFF) and mark + b"\0" in head
        return tiff or any(one in head for one in (png, jpeg))
    if kind == "table":
        return head.startswith(tuple(columns.encode() for columns in TABLE_HEADS))
    if kind == "certificate":
        # A local file header of 30 bytes, then the name of the first entry.
        return head[:4] == b"PK\x03\x04" and head[30:].startswith(b'proof.json{\n  "segpp"')
    if kind == "video":
        return mark in tail.rpartition(b"\xa9cmt")[2][:64] and b"\xa9cmt" in tail
    return b'<meta name="generator" content="' + mark + b'"' in head


def _has_manifest(path: Path) -> bool:
    about = _manifest(manifest_path(path)).get("file")
    return isinstance(about, dict) and about.get("sha256") == sha256_of(path)


def _manifest(path: Path) -> dict[str, object]:
    """Return what a manifest holds, or nothing if the file is none."""
    if not path.is_file() or path.stat().st_size > _MAX_MANIFEST_BYTES:
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError):
        return {}
    return value if isinstance(value, dict) and {"segpp", "schema"} <= value.keys() else {}
