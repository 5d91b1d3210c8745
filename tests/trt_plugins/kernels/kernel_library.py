"""Kernels on the CPU: build a library from .cu files, and call it in a process of its own."""

import hashlib
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[3]
# Of a copy, where faults are put into it.
SOURCES_VARIABLE = "SEGPP_KERNEL_SOURCES"
PLUGINS = Path(os.environ.get(SOURCES_VARIABLE, ROOT / "trt_plugins"))
EMULATION = PLUGINS / "cpu_emulation"
HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "segpp" / "test-kernels"

COMMON = (
    "-std=c++17",
    "-g1",
    "-fPIC",
    "-fno-strict-aliasing",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unknown-pragmas",
)
# A fused multiply-add is one only where the kernel says so, as the emulation promises.
EXACT = ("-ffp-contract=off",)
SANITIZED = (
    "-O1",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
)
FLAVOURS = {"plain": ("-O2",), "sanitized": SANITIZED}


class KernelDiedError(Exception):
    """The process that ran a kernel ended; the text is what it said."""


@dataclass(frozen=True)
class Answer:
    """What a call returned, and its arrays as the call left them, in the order of the arguments."""

    code: int
    arrays: list[NDArray[Any]]


def compiler() -> str:
    """The host compiler: $CXX, or g++."""
    return os.environ.get("CXX", "g++")


def build(sources: Sequence[Path], flavour: str, *flags: str, by: str | None = None) -> Path:
    """Compile ``sources`` (.cu as C++) into a shared library; the same sources are built once.

    Args:
        by: Another compiler than the host's.
    """
    program = by or compiler()
    options = (*COMMON, *EXACT, *FLAVOURS[flavour], f"-I{EMULATION}", f"-I{PLUGINS}", *flags)
    headers = sorted(path for form in ("*.h", "*.cuh") for path in PLUGINS.rglob(form))
    digest = hashlib.sha256(repr((program, options)).encode())
    for path in (*sources, *headers):
        digest.update(path.read_bytes())
    library = CACHE / f"{sources[0].stem}-{flavour}-{digest.hexdigest()[:16]}.so"
    if not library.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = library.with_suffix(f".{os.getpid()}")
        _compile([program, *options], sources, made)
        made.replace(library)
    return library


def _compile(start: Sequence[str], sources: Sequence[Path], out: Path) -> None:
    command = [*start, "-shared", "-x", "c++", *map(str, sources), "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise KernelDiedError(f"{' '.join(command)}\n{done.stderr}")


class Kernels:
    """One library, in a process of its own that is started at the first call and after a death."""

    def __init__(
        self,
        library: Path,
        *,
        sanitized: bool,
        python: Sequence[object] = (sys.executable,),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.library = library
        self.sanitized = sanitized
        self.python = [str(word) for word in python]
        self.env = env or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: Any = None

    def call(
        self,
        name: str,
        *arguments: object,
        order: int = 0,
        device: int = 87,
        processors: int = 16,
        code: int | None = None,
    ) -> Answer:
        """Call an ``extern "C" int`` function.

        Args:
            name: The function.
            arguments: Arrays arrive as pointers to copies, each between guards (AddressSanitizer's
                or bands of bytes that are checked after the call); whole numbers as int64, None as
                a null pointer.
            order: Seed of the order of threads and blocks; 0 runs them in order.
            device: What the kernels are told they run on; 87 is sm_87.
            processors: And how many multiprocessors it has.
            code: What the kernels were compiled for, where that is older than the device.

        Raises:
            KernelDiedError: The process ended, or a guard band was written to.
        """
        process = self._start()
        assert process.stdin
        assert process.stdout
        plain = [_plain(value) for value in arguments]
        request = (name, plain, order, device, processors, code or device)
        try:
            pickle.dump(request, process.stdin)
            process.stdin.flush()
            code, arrays, broken = pickle.load(process.stdout)  # noqa: S301  # our own process
        except (EOFError, BrokenPipeError):
            process.wait()
            self._errors.seek(0)
            text = self._errors.read().decode(errors="replace")
            self.close()
            raise KernelDiedError(text) from None
        if broken:
            raise KernelDiedError(f"{name} wrote outside its argument {broken}")
        kinds = [value.dtype for value in arguments if isinstance(value, np.ndarray)]
        views = (array.view(kind) for array, kind in zip(arrays, kinds, strict=True))
        return Answer(code, list(views))

    def close(self) -> None:
        """End the process."""
        if self._process:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe and not pipe.closed:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        continue
            self._process.wait()
            self._errors.close()
        self._process = None

    def _start(self) -> "subprocess.Popen[bytes]":
        if not self._process:
            environment = {**os.environ, "OMP_NUM_THREADS": "1", **self.env}
            if self.sanitized:
                environment |= _sanitizers()
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
            self._process = subprocess.Popen(
                [*self.python, str(HERE / "kernel_worker.py"), str(self.library)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment,
            )
        return self._process


def _plain(value: object) -> object:
    """Return an array of types that NumPy lacks as one of words, which needs no other package."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "V":
        return value.view(f"u{value.dtype.itemsize}")
    return value


def _sanitizers() -> dict[str, str]:
    """The environment of a Python whose every buffer is guarded by AddressSanitizer."""
    command = [compiler(), "-print-file-name=libasan.so"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        "LD_PRELOAD": found.stdout.strip(),
        # Python leaks on purpose. Without a cache of small blocks every array is one of malloc's.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }


def poisoned(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """An output whose every byte is 0xff: NaN, or -1."""
    whole: NDArray[Any] = np.full(shape, -1, f"i{np.dtype(kind).itemsize}").view(kind)
    return whole
