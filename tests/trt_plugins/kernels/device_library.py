"""The kernels and the tests' entry points, compiled by nvcc for the GPU at hand."""

import hashlib
import os
from pathlib import Path

from benchmarks.gpu.machine.nvcc import FLAGS, Compiler, find_compiler
from tests.trt_plugins.kernels.kernel_library import CACHE, HERE, PLUGINS

OPERATORS = ("decode_head", "resize_argmax", "token_match", "token_merge", "token_unmerge")
SOURCES = (
    *(path for name in OPERATORS for path in sorted((PLUGINS / name).glob("*.cu"))),
    *sorted((HERE / "entries").glob("*.cu")),
)


def build_for_device() -> Path:
    """Compile everything into one shared library; the same sources are built once."""
    compiler = find_compiler()
    library = CACHE / f"device-{_digest(compiler)}.so"
    if not library.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = library.with_suffix(f".{os.getpid()}")
        compiler.build(SOURCES, (PLUGINS,), made, "-lineinfo", shared=True)
        made.replace(library)
    return library


def _digest(compiler: Compiler) -> str:
    digest = hashlib.sha256(repr((compiler, FLAGS)).encode())
    headers = sorted(path for form in ("*.h", "*.cuh") for path in PLUGINS.rglob(form))
    for path in (*SOURCES, *headers):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
