"""The C++ runtime and the plugins compiled on this machine for a board's aarch64.

The compiler is Debian's, the machine's own or unpacked without root, as the board's libraries of
pictures and JSON are; ONNX Runtime's library is that of the board's own wheel, CUDA's that of the
wheel for its kind of machine.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from segpp.errors import CheckError
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
from tests.trt_plugins.kernels.kernel_library import PLUGINS
from tests.trt_plugins.tensorrt.fetch import part

__all__ = ["COMPILER", "compiler", "cross_compiled", "plugins_for"]

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
    build(RUNTIME, folder / "build", options, env=_with(compiler(folder / "compiler", linked)))
    return folder / "build" / "segpp_run"


def plugins_for(preset: str, folder: Path) -> Path:
    """Build the TensorRT plugins by a preset of theirs in ``folder``; return the library.

    Raises:
        CheckError: They do not compile without a warning.
        MissingError: A package cannot be fetched.
    """
    options = (
        f"-DCMAKE_CUDA_COMPILER={part('toolkit') / 'bin' / 'nvcc'}",
        f"-DCUDA_BOARD_LIBRARIES={part('board-cuda') / 'lib'}",
        f"-DTENSORRT_INCLUDE_DIR={part('headers-10')}",
    )
    env = _with(compiler(folder / "compiler"))
    configure = ["cmake", "--preset", preset, "-B", str(folder / "build"), *options]
    for command in (configure, ["cmake", "--build", str(folder / "build"), "--parallel", "2"]):
        done = subprocess.run(
            command, cwd=PLUGINS, env=env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CheckError(f"{' '.join(command)} ended with {done.returncode}", done.stderr)
    return folder / "build" / "libsegpp_plugins.so"


def compiler(folder: Path, linked: Sequence[Path] = ()) -> Path:
    """Return the compiler, or a script that calls it where it is not installed.

    Args:
        folder: For that script.
        linked: Where libraries lie that others need.
    """
    if (installed := shutil.which(COMPILER)) is not None:
        return Path(installed)
    root = unpacked(("g++-aarch64-linux-gnu",), whole=True)
    folder.mkdir(exist_ok=True)
    # It finds its own parts beside itself, but the C library only where it is told.
    options = f"--sysroot={root}"
    if linked:
        options += f" -Wl,-rpath-link,{':'.join(map(str, linked))}"
    script = folder / COMPILER
    script.write_text(
        f"#!/bin/sh\nexport LD_LIBRARY_PATH={root}/usr/lib/x86_64-linux-gnu\n"
        f'exec {root}/usr/bin/{COMPILER} {options} "$@"\n'
    )
    script.chmod(0o755)
    return script


def _with(program: Path) -> Mapping[str, str]:
    """Return the environment in which a compiler is found by its name."""
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
