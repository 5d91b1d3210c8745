"""Is this an ONNX file? Asked before a native parser sees it; the runtime has no onnx package."""

from pathlib import Path

from segpp.errors import GraphError
from segpp.utils.files import check_file

__all__ = ["check_onnx"]

# How files begin that people give by mistake. None of it can begin an ONNX file: read as
# protobuf, each starts with a field that a model does not have.
_FOREIGN = {
    b"\xff\xd8\xff": "a JPEG image",
    b"\x89PNG": "a PNG image",
    b"PK\x03\x04": "a ZIP archive, perhaps a PyTorch checkpoint",
    b"\x80\x02": "a pickle, perhaps a PyTorch checkpoint",
    b"ftrt": "a TensorRT engine",
    b"vtrt": "a TensorRT-RTX engine",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
    b"<": "a web page or other markup",
    b"{": "JSON",
}


def check_onnx(path: Path) -> None:
    """Raise GraphError unless ``path`` is a file that may be ONNX, judged by its first bytes."""
    check_file(path, kind="ONNX file", error=GraphError)
    with path.open("rb") as file:
        head = file.read(32)
    for start, kind in _FOREIGN.items():
        if head.startswith(start):
            raise GraphError(f"{path} is not an ONNX file", f"it looks like {kind}")
