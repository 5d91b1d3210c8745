"""The process in which kernels run: calls come in on stdin and answers leave on stdout, pickled.

A library for the CPU carries the emulation, one for the GPU the calls of entries/device_memory.cu.
"""

import ctypes
import os
import pickle
import sys
from collections.abc import Callable
from typing import Any, Protocol

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


class OnDevice:
    """A copy in the memory of the GPU, its bands included."""

    def __init__(self, array: Any, library: ctypes.CDLL) -> None:
        self.library = library
        self.host = Guarded(array)
        self.memory = ctypes.c_void_p()
        self._check(library.deviceAllocate(ctypes.byref(self.memory), self._bytes))
        self._check(library.deviceCopy(self.memory, self._staged, self._bytes))

    @property
    def pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p((self.memory.value or 0) + BAND)

    def taken(self) -> tuple[Any, bool]:
        self._check(self.library.deviceCopy(self._staged, self.memory, self._bytes))
        self._check(self.library.deviceFree(self.memory))
        return self.host.taken()

    @property
    def _bytes(self) -> ctypes.c_int64:
        return ctypes.c_int64(self.host.bytes.nbytes)

    @property
    def _staged(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.host.bytes.ctypes.data)

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
    return lambda array: Guarded(array, band=band)


def called(library: ctypes.CDLL, name: str, arguments: Any) -> tuple[int, list[Any], list[int]]:
    """Call one function; return its code, its arrays, and which of them lost a guard."""
    place = placing(library)
    given = [place(value) if isinstance(value, np.ndarray) else value for value in arguments]
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
            name, arguments, order, device, processors = pickle.load(requests)  # noqa: S301  # our own parent
        except EOFError:
            return
        if not on_device(library):
            library.segppEmulationThreadOrder(ctypes.c_uint64(order))
            library.segppEmulationDevice(device, processors)
        pickle.dump(called(library, name, arguments), answers)
        answers.flush()


if __name__ == "__main__":
    main()
