"""The ways in which one ONNX file can run here: engines of each library, providers of each kind."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import segpp
from segpp.runtime.build.builders import BUILDERS
from segpp.runtime.system.packages import is_installed

__all__ = ["REFERENCE", "Way", "ways_of"]


@dataclass(frozen=True)
class Way:
    """A file, and the settings of ``segpp.load`` that run it in one way."""

    name: str
    file: Path
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def is_engine(self) -> bool:
        """Whether it is compiled, and not an ONNX file."""
        return self.file.suffix == ".engine"


# What all others are compared with.
REFERENCE = "onnxruntime on the CPU"
_PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "nv-tensorrt-rtx": "NvTensorRTRTXExecutionProvider",
}


def ways_of(onnx: Path) -> Iterator[Way]:
    """Yield every way to run a file, engines built as they come; the reference is first."""
    yield Way(REFERENCE, onnx, {"backend": "onnxruntime", "provider": "cpu"})
    for name in BUILDERS:
        if is_installed(BUILDERS[name].module):
            engine = onnx.with_name(f"{onnx.stem}.{name}.engine")
            segpp.build_engine(onnx, engine, backend=name)
            yield Way(f"{name}, CUDA graph", engine)
            yield Way(f"{name}, kernel by kernel", engine, {"cuda_graph": False})
    for provider in _available():
        yield Way(f"onnxruntime, {provider}", onnx, {"provider": provider})


def _available() -> list[str]:
    import onnxruntime  # noqa: PLC0415 - only here

    here = set(onnxruntime.get_available_providers())
    return [name for name, full in _PROVIDERS.items() if full in here]
