"""One node of the CPU-run library, called in a process of its own as TensorRT would call it.

    python tests/trt_plugins/tensorrt/driver.py DRIVER LIBRARY < request > result

The request is a pickled tuple: operator, attributes, inputs, output (its shape and type).
"""

import ctypes
import pickle
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_AXES = 8
MESSAGE_BYTES = 1000

# numpy's type -> nvinfer1::DataType
TYPES = {"float32": 0, "float16": 1, "int8": 2, "int32": 3, "bfloat16": 7}


class Tensor(ctypes.Structure):
    """As in driver.cpp."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("type", ctypes.c_int32),
        ("axes", ctypes.c_int32),
        ("dims", ctypes.c_int64 * MAX_AXES),
        ("bytes", ctypes.c_int64),
    )


def tensor(array: NDArray[Any]) -> Tensor:
    dims = (ctypes.c_int64 * MAX_AXES)(*array.shape)
    kind = TYPES[array.dtype.name]
    return Tensor(array.ctypes.data, kind, array.ndim, dims, array.nbytes)


def drive(
    driver: ctypes.CDLL,
    library: ctypes.CDLL,
    operator: str,
    attributes: Mapping[str, int],
    arrays: Sequence[NDArray[Any]],
) -> tuple[bool, str]:
    """Run one node; the last of ``arrays`` is its output.

    Returns:
        Whether it worked, and the fields that an engine would hold, or what went wrong.
    """
    names = [name.encode() for name in attributes]
    message = ctypes.create_string_buffer(MESSAGE_BYTES)
    code = driver.segppDrive(
        ctypes.c_void_p(library._handle),
        operator.encode(),
        len(names),
        (ctypes.c_char_p * max(len(names), 1))(*names),
        (ctypes.c_int32 * max(len(names), 1))(*attributes.values()),
        len(arrays),
        (Tensor * len(arrays))(*map(tensor, arrays)),
        message,
        ctypes.c_size_t(MESSAGE_BYTES),
    )
    return code == 0, message.value.decode()


def main() -> None:
    driver, library = (ctypes.CDLL(path) for path in sys.argv[1:])
    operator, attributes, inputs, (shape, kind) = pickle.load(sys.stdin.buffer)  # noqa: S301
    output = np.zeros(shape, kind)
    answer = drive(driver, library, operator, attributes, [*inputs, output])
    pickle.dump((*answer, output), sys.stdout.buffer)


if __name__ == "__main__":
    # Registers bfloat16 with numpy.
    import ml_dtypes  # noqa: F401

    main()
