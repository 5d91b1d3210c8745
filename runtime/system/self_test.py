"""Try one thing for real, by name, in a process of its own that runs this module.

A native library that does not fit the machine may crash.
"""

import ctypes
import sys
import tempfile
from contextlib import closing
from importlib import import_module
from pathlib import Path

import numpy as np

from segpp.errors import CheckError, SegppError
from segpp.runtime.backends.base import BACKENDS, BackendConfig
from segpp.runtime.build.builders import BUILDERS, BuildConfig
from segpp.runtime.system.plugin_library import read_plugin_library
from segpp.runtime.system.plugins import find_plugins
from segpp.utils.choices import check_choice

__all__ = ["EXPORT_MODULES", "TINY_MODEL", "run_self_test"]

EXPORT_MODULES = (
    "torch",
    "onnx",
    "onnxscript",
    "onnx_ir",
    "onnxruntime",
    "safetensors",
)

# ONNX, opset 18: (float[1,4] x) => (float[1,4] y) { y = Relu(x) }
TINY_MODEL = (
    b"\x08\x08\x3a\x3b\x0a\x0c\x0a\x01x\x12\x01y\x22\x04Relu\x12\x01g\x5a\x13\x0a\x01x\x12\x0e"
    b"\x0a\x0c\x08\x01\x12\x08\x0a\x02\x08\x01\x0a\x02\x08\x04\x62\x13\x0a\x01y\x12\x0e\x0a\x0c"
    b"\x08\x01\x12\x08\x0a\x02\x08\x01\x0a\x02\x08\x04\x42\x04\x0a\x00\x10\x12"
)


def run_self_test(name: str) -> None:
    """Do one thing, once.

    Args:
        name: ``export``, ``run-EXTRA`` with the extra that brings a backend, ``run-cuda``,
            ``build-BUILDER``, ``plugins`` or ``video``.

    Raises:
        Exception: Whatever keeps it from working.
    """
    if name == "export":
        for module in EXPORT_MODULES:
            import_module(module)
    elif name == "video":
        import_module("av")
    elif name == "plugins":
        _load_plugins()
    elif name.startswith("run-"):
        _run(name.removeprefix("run-"))
    else:
        _build(name.removeprefix("build-"))


def _load_plugins() -> None:
    path = find_plugins().library.path
    # Before any of its code runs.
    read_plugin_library(Path(str(path)))
    library = ctypes.CDLL(str(path))
    # By these TensorRT takes it; built to register itself, it could not be loaded without one.
    for symbol in ("getCreators", "setLoggerFinder"):
        if not hasattr(library, symbol):
            raise CheckError(f"{path} has no {symbol}: it is no plugin library for TensorRT")


def _run(name: str) -> None:
    # By their extras; CUDA is a provider of ONNX Runtime, not a backend.
    specs = {**{spec.extra: spec for spec in BACKENDS.values()}, "cuda": BACKENDS["onnxruntime"]}
    check_choice(name, specs, kind="way to run")
    config = BackendConfig(provider="cuda" if name == "cuda" else None, threads=1)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(specs[name].open(_tiny_model(folder), config)) as backend,
    ):
        [y] = backend.run({"x": np.array([[-1, 0, 1, 2]], np.float32)}, ["y"])
    if y.tolist() != [[0, 0, 1, 2]]:
        raise CheckError(f"it computes {y.tolist()} for max(x, 0)")


def _build(name: str) -> None:
    builder = BUILDERS[name]()
    with tempfile.TemporaryDirectory() as folder:
        config = BuildConfig(
            onnx=_tiny_model(folder),
            output=Path(folder) / "tiny.engine",
            compute_capabilities=builder.compute_capabilities(())[:1],
        )
        builder.build(config, lambda _severity, _text: None)
        if not config.output.stat().st_size:
            raise CheckError("it builds an empty engine")


def _tiny_model(folder: str) -> Path:
    path = Path(folder) / "tiny.onnx"
    path.write_bytes(TINY_MODEL)
    return path


if __name__ == "__main__":
    try:
        run_self_test(sys.argv[1])
    except SegppError as failure:
        # Whoever asked shows one line; a traceback would end with a fact or a hint.
        sys.exit(failure.problem)
