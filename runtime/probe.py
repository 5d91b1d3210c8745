"""Try one thing for real: ``python -m segpp.runtime.probe NAME``.

A process of its own, because a native library that does not fit the machine may crash.
"""

import sys
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np

from segpp.errors import CheckError
from segpp.runtime.builders import BUILDERS, BuildJob
from segpp.runtime.engines._base import ENGINES, Options

__all__ = ["EXPORT_MODULES", "TINY_MODEL", "probe"]

EXPORT_MODULES = (
    "torch",
    "onnx",
    "onnxscript",
    "onnx_graphsurgeon",
    "onnxruntime",
    "safetensors",
)

# ONNX, opset 18: (float[1,4] x) => (float[1,4] y) { y = Relu(x) }
TINY_MODEL = (
    b'\x08\x08:;\n\x0c\n\x01x\x12\x01y"\x04Relu\x12\x01gZ\x13\n\x01x\x12\x0e\n\x0c\x08\x01\x12'
    b"\x08\n\x02\x08\x01\n\x02\x08\x04b\x13\n\x01y\x12\x0e\n\x0c\x08\x01\x12\x08\n\x02\x08\x01"
    b"\n\x02\x08\x04B\x04\n\x00\x10\x12"
)


def probe(name: str) -> None:
    """Do what ``name`` stands for, once: ``export``, ``run-cpu``, ``run-cuda``, ``video``, or
    ``build-`` and the name of an engine library.

    Raises:
        Exception: Whatever keeps it from working.
    """  # noqa: D205, D415 - the names are the sentence
    if name == "export":
        for module in EXPORT_MODULES:
            import_module(module)
    elif name == "video":
        import_module("av")
    elif name.startswith("run-"):
        _run(name.removeprefix("run-"))
    else:
        _build(name.removeprefix("build-"))


def _run(provider: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = ENGINES["onnxruntime"].open(_tiny(folder), Options(provider=provider, threads=1))
        [y] = engine.run({"x": np.array([[-1, 0, 1, 2]], np.float32)}, ["y"])
        engine.close()
    if y.tolist() != [[0, 0, 1, 2]]:
        raise CheckError(f"it computes {y.tolist()} for max(x, 0)")


def _build(library: str) -> None:
    builder = BUILDERS[library]()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "tiny.engine"
        job = BuildJob(_tiny(folder), target, builder.targets(())[:1])
        builder.build(job, lambda _severity, _text: None)
        if not target.stat().st_size:
            raise CheckError("it builds an empty engine")


def _tiny(folder: str) -> Path:
    path = Path(folder) / "tiny.onnx"
    path.write_bytes(TINY_MODEL)
    return path


if __name__ == "__main__":
    probe(sys.argv[1])
