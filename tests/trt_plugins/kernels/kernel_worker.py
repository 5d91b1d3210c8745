"""The process in which kernels run: calls come in on stdin and answers leave on stdout, pickled.

A library for the CPU carries the emulation, one for the GPU the calls of entries/device_memory.cu.
"""

import ctypes
import os
import pickle
import sys
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

BAND = 256
FILL = 0xA5


class Argument(Protocol):
    """A copy of an array where kernels can reach it, with guards on both sides."""

    @property
    def pointer(self) -> ctypes.c_void_p: ...

    def taken(self) -> tuple[Any, bool]:
        """Give the memory up; return the array, and whether both guards are whole."""
        ...


class Guarded:
    """A copy in the process's own memory.

    AddressSanitizer guards every allocation, so there the copy is one of its own and of exact size.
    Elsewhere it lies between bands of a known byte.
    """

    def __init__(self, array: Any, *, band: int = BAND) -> None:
        self.shape, self.kind = array.shape, array.dtype
        self.band = band
        self.bytes = np.full(array.nbytes + 2 * band, FILL, np.uint8)
        self.inside = slice(band, band + array.nbytes)
        self.bytes[self.inside] = np.frombuffer(array.tobytes(), np.uint8)

    @property
    def pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.bytes.ctypes.data + self.band)

    def taken(self) -> tuple[Any, bool]:
        before, after = self.bytes[: self.inside.start], self.bytes[self.inside.stop :]
        whole = bool((before == FILL).all() and (after == FILL).all())
        return self.bytes[self.inside].copy().view(self.kind).reshape(self.shape), whole


class Unwritten(NamedTuple):
    """Memory into which nothing was written, so that a tool sees who reads it before it is.

    Attributes:
        shape, kind: Of the array that it is.
        scratch: Whether nobody is to read it afterwards either.
    """

    shape: tuple[int, ...]
    kind: Any
    scratch: bool = False


class OnDevice:
    """A copy in the memory of the GPU, its bands included; of what is unwritten the bands alone."""

    def __init__(self, given: Any, library: ctypes.CDLL) -> None:
        self.library = library
        self.host = Guarded(_filled(given) if isinstance(given, Unwritten) else given)
        self.memory = ctypes.c_void_p()
        size = ctypes.c_int64(self.host.bytes.nbytes)
        self._check(library.deviceAllocate(ctypes.byref(self.memory), size))
        end = self.host.bytes.nbytes
        bands = [slice(0, BAND), slice(end - BAND, end)]
        whole = [slice(0, end)]
        self._copied = bands if isinstance(given, Unwritten) and given.scratch else whole
        for part in bands if isinstance(given, Unwritten) else whole:
            self._copy(self._there(part), self._here(part), part)

    @property
    def pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p((self.memory.value or 0) + BAND)

    def taken(self) -> tuple[Any, bool]:
        for part in self._copied:
            self._copy(self._here(part), self._there(part), part)
        self._check(self.library.deviceFree(self.memory))
        return self.host.taken()

    def _copy(self, target: ctypes.c_void_p, source: ctypes.c_void_p, part: slice) -> None:
        size = ctypes.c_int64(part.stop - part.start)
        self._check(self.library.deviceCopy(target, source, size))

    def _here(self, part: slice) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.host.bytes.ctypes.data + part.start)

    def _there(self, part: slice) -> ctypes.c_void_p:
        return ctypes.c_void_p((self.memory.value or 0) + part.start)

    def _check(self, code: int) -> None:
        require_success(self.library, code)


def require_success(library: ctypes.CDLL, code: int) -> None:
    """End the process on an error of the GPU: after most of them it answers nothing any more."""
    if code:
        library.deviceError.restype = ctypes.c_char_p
        sys.exit(f"the GPU answers: {library.deviceError(code).decode()} ({code})")


def passed(argument: object) -> object:
    if isinstance(argument, (Guarded, OnDevice)):
        return argument.pointer
    return argument if argument is None else ctypes.c_int64(argument)  # type: ignore[arg-type]  # whole numbers only


def on_device(library: ctypes.CDLL) -> bool:
    return hasattr(library, "deviceAllocate")


def placing(library: ctypes.CDLL) -> Callable[[Any], Argument]:
    """Return what puts an array where the library's kernels can reach it."""
    if on_device(library):
        return lambda array: OnDevice(array, library)
    band = 0 if "libasan" in os.environ.get("LD_PRELOAD", "") else BAND
    return lambda given: Guarded(
        _filled(given) if isinstance(given, Unwritten) else given, band=band
    )


def _filled(memory: Unwritten) -> Any:
    """Return an array whose every byte is 0xff, as the emulation fills its own memory."""
    count = int(np.prod(memory.shape)) * np.dtype(memory.kind).itemsize
    return np.full(count, 0xFF, np.uint8).view(memory.kind).reshape(memory.shape)


def called(library: ctypes.CDLL, name: str, arguments: Any) -> tuple[int, list[Any], list[int]]:
    """Call one function; return its code, its arrays, and which of them lost a guard."""
    place = placing(library)
    arrays = (np.ndarray, Unwritten)
    given = [place(value) if isinstance(value, arrays) else value for value in arguments]
    code = getattr(library, name)(*map(passed, given))
    if on_device(library):
        require_success(library, library.deviceSynchronize())
    taken = [value.taken() for value in given if isinstance(value, (Guarded, OnDevice))]
    broken = [index for index, (_, whole) in enumerate(taken) if not whole]
    return code, [array for array, _ in taken], broken


def main() -> None:
    """Answer calls until the pipe closes."""
    library = ctypes.CDLL(sys.argv[1])
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    # What a kernel prints must not end up among the answers.
    os.dup2(2, 1)
    while True:
        try:
            name, arguments, order, device, processors, code = pickle.load(requests)  # noqa: S301  # our own parent
        except EOFError:
            return
        if not on_device(library):
            library.segppEmulationThreadOrder(ctypes.c_uint64(order))
            library.segppEmulationDevice(device, processors)
            library.segppEmulationCode(ctypes.c_int64(code))
        pickle.dump(called(library, name, arguments), answers)
        answers.flush()


if __name__ == "__main__":
    main()
