"""The first bytes of an engine: whose it is and of which version, told without any library.

    TensorRT-RTX   0: "vtrt"   16: bytes of the whole file (8, little endian)   24: version (4)
    TensorRT       0: "ftrt"                                                    24: version (4)

The version is a byte for each of its four numbers: 1.7.1.116 is 01 07 01 74.
"""

from dataclasses import dataclass
from pathlib import Path

from segpp.errors import GraphError
from segpp.utils.file_type import kind_of

__all__ = ["HEADER_BYTES", "EngineHeader", "read_header"]

HEADER_BYTES = 32

_LIBRARIES = {b"vtrt": "tensorrt-rtx", b"ftrt": "tensorrt", b"ptrt": "tensorrt"}
_SIZE, _VERSION = slice(16, 24), slice(24, 28)


@dataclass(frozen=True)
class EngineHeader:
    """What an engine says of itself.

    Args:
        library: The backend that made it.
        version: Of that library, as "1.7.1.116".
    """

    library: str
    version: str


def read_header(path: Path, head: bytes | None = None, size: int | None = None) -> EngineHeader:
    """Return what the first bytes of an engine say.

    Args:
        path: The file.
        head: Its first bytes, where they have been read already.
        size: How many it has then.

    Raises:
        GraphError: It is no engine, or only part of one.
    """
    if head is None:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
    found = path.stat().st_size if size is None else size
    library = _LIBRARIES.get(head[:4])
    if library is None:
        raise GraphError(f"{path} is not an engine", f"it looks like {kind_of(path).says}")
    if len(head) < HEADER_BYTES:
        raise GraphError(f"{path} ends after {found} bytes, within its first block")
    if library == "tensorrt-rtx":
        _check_whole(path, int.from_bytes(head[_SIZE], "little"), found)
    return EngineHeader(library, ".".join(map(str, head[_VERSION])))


def _check_whole(path: Path, declared: int, found: int) -> None:
    if declared != found:
        raise GraphError(
            f"{path} has {found:,} bytes, and was written with {declared:,}",
            hint="copy it again, or build it again from its ONNX file",
        )
