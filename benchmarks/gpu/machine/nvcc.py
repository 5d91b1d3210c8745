"""nvcc, wherever it is, and programs and libraries built with it for the GPU at hand."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gpu.machine.device import find_device
from benchmarks.kernels.nvcc import find_toolkit
from segpp.errors import CheckError

__all__ = ["FLAGS", "Compiler", "find_compiler"]

FLAGS = ("-std=c++17", "-O3", "-Xcompiler", "-fPIC")
_HOPPER = 90
_USUAL = Path("/usr/local/cuda/bin/nvcc")


@dataclass(frozen=True)
class Compiler:
    """nvcc, and the architecture that it compiles for."""

    program: Path
    capability: int

    def build(
        self,
        sources: Sequence[Path],
        includes: Sequence[Path],
        out: Path,
        *flags: str,
        shared: bool,
    ) -> None:
        """Compile the sources side by side and link them.

        Raises:
            CheckError: One does not compile, or they do not link; with what nvcc says.
        """
        options = (*FLAGS, f"-arch=sm_{self.capability}", *flags)
        with TemporaryDirectory() as folder, ThreadPoolExecutor(len(sources)) as pool:
            compile_one = partial(self._object, options, includes, Path(folder))
            objects = list(pool.map(compile_one, sources))
            # nvcc from wheels does not look for its runtime beside itself.
            libraries = [f"-L{self.program.parent.parent / name}" for name in ("lib64", "lib")]
            kind = ["-shared"] if shared else []
            self._run(*options, *kind, *libraries, *map(str, objects), "-o", str(out))

    def _object(
        self, options: Sequence[str], includes: Sequence[Path], folder: Path, source: Path
    ) -> Path:
        made = folder / f"{source.stem}{source.suffix.replace('.', '-')}.o"
        self._run(*options, *(f"-I{path}" for path in includes), "-c", str(source), "-o", str(made))
        return made

    def _run(self, *arguments: str) -> None:
        command = [str(self.program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CheckError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def find_compiler() -> Compiler:
    """Return nvcc of CUDA_HOME, the PATH, /usr/local/cuda or the wheels.

    Raises:
        MissingError: There is none.
    """
    device = find_device()
    return Compiler(_program(), device.capability if device else _HOPPER)


def _program() -> Path:
    home, on_path = os.environ.get("CUDA_HOME"), shutil.which("nvcc")
    candidates = [
        *([Path(home) / "bin/nvcc"] if home else []),
        *([Path(on_path)] if on_path else []),
        _USUAL,
    ]
    for path in candidates:
        if path.is_file():
            return path
    return find_toolkit().folder / "nvcc"
