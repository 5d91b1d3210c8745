"""The C++ runtime compiled on this machine for a board's aarch64.

The compiler is Debian's, the machine's own or unpacked without root, as the board's libraries of
pictures and JSON are; ONNX Runtime's library is that of the board's own wheel.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.board import userland
from tests.helpers.debian import unpacked
from tests.runtime.cpp.building import (
    RUNTIME,
    build,
    flags_of,
    headers,
    libraries,
    onnxruntime_root,
)

__all__ = ["COMPILER", "cross_compiled"]

COMPILER = "aarch64-linux-gnu-g++"
_TRIPLET = "aarch64-linux-gnu"


def cross_compiled(folder: Path) -> Path:
    """Build the runtime in ``folder``; return ``segpp_run``, a program of the board.

    Raises:
        CheckError: It does not compile without a warning.
        MissingError: A package cannot be fetched.
    """
    prefix = libraries("arm64")
    root = onnxruntime_root(folder / "onnxruntime", userland.onnxruntime_library())
    # With a root of its own, the linker looks for what libraries need there and here alone.
    linked = [prefix / "lib" / _TRIPLET, prefix.parent / "lib" / _TRIPLET, root / "lib"]
    options = (
        f"-DCMAKE_TOOLCHAIN_FILE={RUNTIME / 'cmake' / 'aarch64-linux-gnu.cmake'}",
        f"-DCMAKE_FIND_ROOT_PATH={prefix.parent}",
        *flags_of(prefix, _TRIPLET),
        # Not below the root of the other libraries.
        f"-DONNXRUNTIME_INCLUDE_DIR={headers()}",
        f"-DONNXRUNTIME_LIBRARY={root / 'lib' / 'libonnxruntime.so'}",
        "-DSEGPP_WARNINGS_AS_ERRORS=ON",
    )
    build(RUNTIME, folder / "build", options, env=_compiler(folder / "compiler", linked))
    return folder / "build" / "segpp_run"


def _compiler(folder: Path, linked: Sequence[Path]) -> Mapping[str, str]:
    """Return the environment in which the compiler is found.

    Args:
        folder: For a script that calls it, if it is not installed.
        linked: Where libraries lie that others need.
    """
    if shutil.which(COMPILER) is not None:
        return os.environ
    root = unpacked(("g++-aarch64-linux-gnu",), whole=True)
    folder.mkdir()
    # It finds its own parts beside itself, but the C library only where it is told.
    options = f"--sysroot={root} -Wl,-rpath-link,{':'.join(map(str, linked))}"
    script = folder / COMPILER
    script.write_text(f'#!/bin/sh\nexec {root}/usr/bin/{COMPILER} {options} "$@"\n')
    script.chmod(0o755)
    libraries = str(root / "usr" / "lib" / "x86_64-linux-gnu")
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "LD_LIBRARY_PATH": libraries}
