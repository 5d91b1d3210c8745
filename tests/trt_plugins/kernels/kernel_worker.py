"""The process in which kernels run: calls come in on stdin and answers leave on stdout, pickled."""

import ctypes
import os
import pickle
import sys
from typing import Any

import numpy as np

BAND = 256
FILL = 0xA5


class Guarded:
    """A copy of an array with guards on both sides.

    AddressSanitizer guards every allocation, so there the copy is one of its own and of exact size.
    Elsewhere it lies between bands of a known byte.
    """

    def __init__(self, array: Any, *, sanitized: bool) -> None:
        self.band = 0 if sanitized else BAND
        self.shape, self.kind = array.shape, array.dtype
        self.bytes = np.full(array.nbytes + 2 * self.band, FILL, np.uint8)
        self.inside = slice(self.band, self.band + array.nbytes)
        self.bytes[self.inside] = np.frombuffer(array.tobytes(), np.uint8)

    @property
    def pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.bytes.ctypes.data + self.band)

    @property
    def whole(self) -> bool:
        before, after = self.bytes[: self.inside.start], self.bytes[self.inside.stop :]
        return bool((before == FILL).all() and (after == FILL).all())

    @property
    def array(self) -> Any:
        return self.bytes[self.inside].copy().view(self.kind).reshape(self.shape)


def passed(argument: object) -> object:
    if isinstance(argument, Guarded):
        return argument.pointer
    return argument if argument is None else ctypes.c_int64(argument)  # type: ignore[arg-type]  # whole numbers only


def main() -> None:
    """Answer calls until the pipe closes."""
    library = ctypes.CDLL(sys.argv[1])
    sanitized = "libasan" in os.environ.get("LD_PRELOAD", "")
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    # What a kernel prints must not end up among the answers.
    os.dup2(2, 1)
    while True:
        try:
            name, arguments, order, device, processors = pickle.load(requests)  # noqa: S301  # our own parent
        except EOFError:
            return
        given = [
            Guarded(value, sanitized=sanitized) if isinstance(value, np.ndarray) else value
            for value in arguments
        ]
        library.segppModelThreadOrder(ctypes.c_uint64(order))
        library.segppModelDevice(device, processors)
        code = getattr(library, name)(*map(passed, given))
        buffers = [value for value in given if isinstance(value, Guarded)]
        broken = [index for index, value in enumerate(buffers) if not value.whole]
        pickle.dump((code, [value.array for value in buffers], broken), answers)
        answers.flush()


if __name__ == "__main__":
    main()
