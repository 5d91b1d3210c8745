"""What a writer of a server's folder must do, and which there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from segpp.errors import InputError
from segpp.export.targets import ONNXRUNTIME, PORTABLE
from segpp.manifest import InputSpec, Manifest
from segpp.utils.registry import Registry
from segpp.utils.terminal import one_line

if TYPE_CHECKING:
    # A board has no onnx, and reads of what a caller may choose all the same.
    from onnx import ModelProto

__all__ = [
    "RECORD",
    "SERVERS",
    "RequestedFile",
    "Served",
    "Server",
    "check_for_tensorrt",
    "check_output_kind",
    "label_lines",
    "served_folder",
    "served_paths",
]


@dataclass(frozen=True)
class RequestedFile:
    """What is known of a file before it is made.

    Attributes:
        input: As it will be.
        outputs: ``logits``, ``labels``, or both.
        classes: How many a pixel can be of.
        precision: ``fp32``, ``fp16`` or ``bf16``.
        target: The dialect of the file.
    """

    input: InputSpec
    outputs: Sequence[str]
    classes: int
    precision: str
    target: str


@dataclass(frozen=True)
class Served:
    """An exported file, to be laid out for a server.

    Attributes:
        name: Of the model: the ONNX file's without its suffix.
        model: The file.
        data: The same as bytes, as it lies on the disk.
        manifest: That beside it.
    """

    name: str
    model: "ModelProto"
    data: bytes
    manifest: Manifest


class Server(Protocol):
    """One server or pipeline.

    Attributes:
        title: What people call it.
    """

    title: str

    def check(self, asked: RequestedFile) -> None:
        """Raise InputError if it could not run such a file; called before anything is traced."""
        ...

    def names(self, name: str) -> tuple[str, ...]:
        """Return the files of its folder, as paths in it, for a model called ``name``."""
        ...

    def files(self, served: Served) -> dict[str, bytes]:
        """Return the content of each of ``names``."""
        ...


SERVERS: Registry[Server] = Registry("segpp.export.serving.writers", "server")

# What lies in each folder besides, and tells which files segpp wrote there.
RECORD = "segpp.json"


def served_folder(out: Path, server: str) -> Path:
    """Return the folder of a server's files: ``b0.onnx`` has ``b0.triton/``."""
    return out.with_name(f"{out.stem}.{server}")


def served_paths(out: Path, server: str) -> dict[str, Path]:
    """Return where each file of a server's folder goes, the record of them last."""
    names = (*SERVERS[server].names(out.stem), RECORD)
    return {name: served_folder(out, server) / name for name in names}


def label_lines(names: Sequence[str]) -> bytes:
    """Return a file of labels, one a line.

    A name that breaks its line would give its second half to the next class.
    """
    return "".join(f"{one_line(name)}\n" for name in names).encode()


def check_output_kind(asked: RequestedFile, output: str, *, server: str, because: str) -> None:
    """Raise InputError unless the file has an output of this kind."""
    if output not in asked.outputs:
        raise InputError(
            f"`serve_for={server}` with `outputs={asked.outputs[0]}`",
            because,
            hint=f"take `outputs={output}` or `outputs=both`",
        )


def check_for_tensorrt(asked: RequestedFile, *, server: str) -> None:
    """Raise InputError for a file of which a server cannot have TensorRT build an engine."""
    if asked.target == ONNXRUNTIME:
        raise InputError(
            f"`serve_for={server}` with `target={ONNXRUNTIME}`",
            "that file has an operator of ONNX Runtime's own, and TensorRT is to read it",
            hint=f"leave `target` at {PORTABLE}",
        )
    if asked.precision == "bf16":
        raise InputError(
            f"`serve_for={server}` with `precision=bf16`",
            "it has engines built in FP32 or FP16",
            hint="take `precision=fp16`",
        )
