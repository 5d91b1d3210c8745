"""What a file is, by its first bytes: names of files say little."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segpp.errors import GraphError
from segpp.utils.files import check_file

__all__ = ["FileKind", "check_onnx", "kind_of"]

_HEAD_BYTES = 1024
_TAR_MAGIC_AT = 257
# protobuf's own limit for one message.
_MAX_ONNX_BYTES = 1 << 31


@dataclass(frozen=True)
class FileKind:
    """A kind of file.

    Attributes:
        says: What it is, with its article, for messages.
        holds: The form in which it may hold weights, if it may.
        hint: What to do with one that holds none.
    """

    says: str
    holds: Literal["zip", "pickle", "safetensors"] | None = None
    hint: str | None = None


_UNPACK = "unpack it and give the checkpoint inside"
_WEIGHTS = "give the PyTorch checkpoint that it was made from"
_IMAGE = "give the checkpoint first, then the output"

_BY_START = {
    b"PK\x03\x04": FileKind("a zip archive", "zip"),
    b"\x80\x02": FileKind("a pickle", "pickle"),
    b"\x80\x03": FileKind("a pickle", "pickle"),
    b"\x80\x04": FileKind("a pickle", "pickle"),
    b"\x80\x05": FileKind("a pickle", "pickle"),
    b"\x89PNG": FileKind("a PNG image", hint=_IMAGE),
    b"\xff\xd8\xff": FileKind("a JPEG image", hint=_IMAGE),
    b"GIF8": FileKind("a GIF image", hint=_IMAGE),
    b"BM": FileKind("a BMP image", hint=_IMAGE),
    b"II*\x00": FileKind("a TIFF image", hint=_IMAGE),
    b"%PDF": FileKind("a PDF document"),
    b"\x89HDF": FileKind("an HDF5 file (Keras)", hint="segpp reads PyTorch checkpoints only"),
    b"\x1f\x8b": FileKind("a gzip archive", hint=_UNPACK),
    b"7z\xbc\xaf": FileKind("a 7z archive", hint=_UNPACK),
    b"Rar!": FileKind("a rar archive", hint=_UNPACK),
    b"\x93NUMPY": FileKind("a NumPy array"),
    b"ftrt": FileKind("a TensorRT engine", hint=_WEIGHTS),
    b"ptrt": FileKind("a TensorRT engine", hint=_WEIGHTS),
    b"vtrt": FileKind("a TensorRT-RTX engine", hint=_WEIGHTS),
    b"\x7fELF": FileKind("a program"),
    b"version https://git-lfs": FileKind(
        "a Git LFS pointer (text), not the file it points to", hint="run: git lfs pull"
    ),
}
_TAR = FileKind("a tar archive", hint=f"{_UNPACK}, or save it again with a PyTorch newer than 0.4")
_TFLITE = FileKind("a TensorFlow Lite model", hint="segpp reads PyTorch checkpoints only")
_SAFETENSORS = FileKind("a safetensors file", "safetensors")
_ONNX = FileKind("an ONNX model", hint=f"it is exported already; {_WEIGHTS}")
_WEB_PAGE = FileKind("a web page (text)", hint="the download went wrong: fetch the file itself")
_JSON = FileKind("JSON (text)", hint="give the file that it describes")
_TEXT = FileKind("text", hint="the download may have failed; the file's first line may say why")
_UNKNOWN = FileKind("in no known format")


def kind_of(path: Path) -> FileKind:
    """Return what the file at ``path`` is."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for start, kind in _BY_START.items():
        if head.startswith(start):
            return kind
    if head[_TAR_MAGIC_AT:].startswith(b"ustar"):
        return _TAR
    if head[4:8] == b"TFL3":
        return _TFLITE
    # Eight bytes with the length of a JSON header, then the header.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return _SAFETENSORS
    # Field 1, ir_version, then field 2, 3, 4, 5, 6, 7 or 8 of a ModelProto.
    if head[:1] == b"\x08" and head[2:3] in b"\x12\x1a\x22\x2a\x32\x3a\x42":
        return _ONNX
    return _text_kind(head)


def _text_kind(head: bytes) -> FileKind:
    try:
        # The last character may be cut in two.
        text = head.decode("utf-8", "strict" if len(head) < _HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return _UNKNOWN
    if "\0" in text or not text.strip():
        return _UNKNOWN
    return {"<": _WEB_PAGE, "{": _JSON}.get(text.lstrip()[0], _TEXT)


def check_onnx(path: Path) -> None:
    """Raise GraphError unless ``path`` is a file that may be ONNX, before a native parser sees it.

    Judged by its first bytes alone: a protobuf message has none that are its own, so what begins
    like nothing that is known may be ONNX.
    """
    check_file(path, kind="ONNX file", error=GraphError)
    if path.stat().st_size >= _MAX_ONNX_BYTES:
        raise GraphError(
            f"{path} is {path.stat().st_size:,} bytes, and an ONNX file ends below 2 GiB",
            hint="weights beyond that belong into files beside it (external data)",
        )
    kind = kind_of(path)
    if kind not in (_ONNX, _TEXT, _UNKNOWN):
        raise GraphError(
            f"{path} is not an ONNX file",
            f"it looks like {kind.says}",
            hint="a checkpoint is exported first: segpp-export" if kind.holds else None,
        )
