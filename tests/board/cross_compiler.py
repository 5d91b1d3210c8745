"""The C++ runtime compiled on this machine for a board's aarch64.

The compiler is Debian's; the board's libraries of pictures and JSON are unpacked without root, and
ONNX Runtime's library is that of the board's own wheel.
"""

import shutil
from pathlib import Path

from segpp.errors import MissingError
from tests.board import userland
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
        MissingError: The compiler is not installed, or a package cannot be fetched.
    """
    if shutil.which(COMPILER) is None:
        raise MissingError(f"{COMPILER} is not installed", hint="apt install g++-aarch64-linux-gnu")
    prefix = libraries("arm64")
    root = onnxruntime_root(folder / "onnxruntime", userland.onnxruntime_library())
    options = (
        f"-DCMAKE_TOOLCHAIN_FILE={RUNTIME / 'cmake' / 'aarch64-linux-gnu.cmake'}",
        f"-DCMAKE_FIND_ROOT_PATH={prefix.parent}",
        *flags_of(prefix, _TRIPLET),
        # Not below the root of the other libraries.
        f"-DONNXRUNTIME_INCLUDE_DIR={headers()}",
        f"-DONNXRUNTIME_LIBRARY={root / 'lib' / 'libonnxruntime.so'}",
        "-DSEGPP_WARNINGS_AS_ERRORS=ON",
    )
    build(RUNTIME, folder / "build", options)
    return folder / "build" / "segpp_run"
