"""A few small calls of every kernel for compute-sanitizer: no PyTorch, one process.

python -m benchmarks.gpu.kernels.sanitized
"""

import ctypes
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

import benchmarks.gpu.kernels.own_tests  # noqa: F401 - before the first import from tests
from tests.trt_plugins.kernels.device_library import build_for_device
from tests.trt_plugins.kernels.kernel_worker import Unwritten, called

TYPES = (np.float32, np.float16, ml_dtypes.bfloat16)
# Batch, channels, height, width, strides, merged, window.
MATCHES = (
    (1, 64, 12, 11, 2, 3, 40, 0),
    (2, 33, 9, 10, 4, 4, 50, 0),
    (1, 320, 13, 17, 4, 4, 100, 0),
    (1, 64, 16, 17, 4, 4, 100, 1),
    (1, 8, 40, 31, 2, 2, 500, 0),
)
# Batch, tokens, channels, slots, and of these the first that have one token each.
GATHERS = (
    (2, 257, 8, 200, 0),
    (2, 257, 8, 200, 150),
    (1, 129, 320, 40, 0),
    (3, 31, 33, 7, 2),
    (1, 2100, 24, 3, 0),
)
# Batch, classes, height and width before and after.
RESIZES = ((1, 19, 16, 33, 64, 132), (2, 150, 5, 4, 40, 32), (1, 19, 5, 6, 15, 18))
# Batch, channels, classes, height and width of the finest of four maps; each next is half of it.
HEADS = ((1, 32, 19, 8, 32), (2, 48, 19, 9, 33), (1, 33, 150, 5, 7))


def main(library: ctypes.CDLL | None = None) -> None:
    """Make every call in every type; of the kernels on the GPU, or of those in a library."""
    library = library or ctypes.CDLL(str(build_for_device()))
    for name, arguments in calls(library):
        code, _, broken = called(library, name, arguments)
        print(name, code, broken, flush=True)
        if code or broken:
            raise SystemExit(1)


def calls(library: ctypes.CDLL) -> Iterator[tuple[str, list[object]]]:
    """Return name and arguments of each call."""
    for kind, dtype in enumerate(TYPES):
        for shape in MATCHES:
            yield "match", _match(library, shape, kind, dtype)
        for batch, tokens, channels, slots, singles in GATHERS:
            x = _drawn((batch, tokens, channels), dtype)
            slot, y = _slots(batch, tokens, slots, singles), _drawn((batch, slots, channels), dtype)
            sizes = [kind, batch, tokens, channels, slots]
            yield "merge", [x, slot, Unwritten(y.shape, dtype), *sizes, singles, 0]
            yield "unmerge", [y, slot, Unwritten(x.shape, dtype), *sizes, 0]
        for resize in RESIZES:
            batch, classes, _, _, height, width = resize
            labels = Unwritten((batch, height, width), np.int8 if classes <= 127 else np.int32)
            yield "labels", [_drawn(resize[:4], dtype), labels, kind, *resize, 0, 0]
        for head in HEADS:
            yield "head", _head(head, kind, dtype)


def _match(library: ctypes.CDLL, shape: tuple[int, ...], kind: int, dtype: Any) -> list[object]:
    batch, channels, height, width = shape[:4]
    scratch, _, _ = called(library, "workspaceSize", [*shape, kind])
    x = _drawn((batch, height * width, channels), dtype)
    slot, workspace = Unwritten(x.shape[:2], np.int32), Unwritten((scratch,), np.uint8, True)
    return [*shape, kind, x, 0, slot, workspace]


def _drawn(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    drawn: NDArray[Any] = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    return drawn


def _slots(batch: int, tokens: int, slots: int, singles: int) -> NDArray[Any]:
    slot = np.random.default_rng(0).integers(singles, slots, (batch, tokens))
    slot[:, :singles] = np.arange(singles)
    return slot.astype(np.int32)


def _head(shape: tuple[int, ...], kind: int, dtype: Any) -> list[object]:
    batch, channels, classes, height, width = shape
    sizes = [(-(-height // step), -(-width // step)) for step in (1, 2, 4, 8)]
    maps = [_drawn((batch, channels, *size), dtype) for size in sizes]
    weight, bias = _drawn((classes, channels), dtype), _drawn((classes,), dtype)
    logits = Unwritten((batch, classes, height, width), dtype)
    numbers = [side for size in sizes for side in size]
    return [*maps, weight, bias, logits, kind, *shape[:3], *numbers, 0, 0]


if __name__ == "__main__":
    main()
