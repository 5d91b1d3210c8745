"""What the tests of merge, unmerge and resize-argmax share."""

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from tests.trt_plugins.kernels.kernel_library import HERE, PLUGINS, Kernels, poisoned

GATHER_SOURCES = (
    PLUGINS / "token_merge/token_merge.cu",
    PLUGINS / "token_unmerge/token_unmerge.cu",
    PLUGINS / "token_unmerge/token_unmerge_add.cu",
    PLUGINS / "resize_argmax/resize_argmax.cu",
    HERE / "entries/gather_entries.cu",
)

# In the order of ElementType.
TYPES = (np.dtype(np.float32), np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))

# Batch, tokens, channels, slots. Rows of one word and of more words than a block has threads,
# rows that fall into 16-byte words in every type, in some and in none; one, some and all slots in
# a block, and numbers of slots for which a block of 16 multiprocessors' worth takes 8, 16 and 32.
SIZES = (
    (1, 1, 1, 1),
    (2, 2, 8, 1),
    (1, 3, 32, 2),
    (3, 31, 33, 7),
    (2, 33, 64, 12),
    (1, 129, 320, 40),
    (1, 130, 512, 64),
    (2, 257, 8, 200),
    (1, 40, 1100, 9),
    (1, 700, 8, 520),
    (1, 1200, 4, 1030),
)


def tokens(shape: tuple[int, ...], kind: Any, seed: int = 0) -> NDArray[Any]:
    """Normal numbers of mixed magnitude, negative zeros among them."""
    random = np.random.default_rng(seed)
    values = random.standard_normal(shape) * 10.0 ** random.integers(-3, 3, shape)
    values[random.random(shape) < 0.05] = -0.0
    return values.astype(kind)


def slots_of(batch: int, count: int, slots: int, seed: int = 0) -> NDArray[np.int32]:
    return np.random.default_rng(seed).integers(0, slots, (batch, count)).astype(np.int32)


def shifted(array: NDArray[Any], offset: int) -> NDArray[np.uint8]:
    """The bytes of an array behind ``offset`` others."""
    before = np.full(offset, 0xFF, np.uint8)
    return np.concatenate([before, np.frombuffer(array.tobytes(), np.uint8)])


class Gather:
    """The token kernels as functions of arrays."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels

    def merge(
        self,
        x: Any,
        slot: Any,
        slots: int,
        *,
        singles: int = 0,
        offset: int = 0,
        order: int = 0,
    ) -> NDArray[Any]:
        batch, count, channels = x.shape
        out = poisoned((batch, slots, channels), x.dtype)
        sizes = (batch, count, channels, slots, singles)
        return self._run("merge", (x, slot, out), sizes, offset=offset, order=order)

    def unmerge(self, y: Any, slot: Any, *, offset: int = 0, order: int = 0) -> NDArray[Any]:
        batch, slots, channels = y.shape
        count = slot.shape[1]
        out = poisoned((batch, count, channels), y.dtype)
        sizes = (batch, count, channels, slots)
        return self._run("unmerge", (y, slot, out), sizes, offset=offset, order=order)

    def unmerge_add(
        self,
        y: Any,
        slot: Any,
        residual: Any,
        *,
        offset: int = 0,
        residual_offset: int = 0,
        order: int = 0,
    ) -> NDArray[Any]:
        batch, slots, channels = y.shape
        out = poisoned(residual.shape, y.dtype)
        sizes = (batch, slot.shape[1], channels, slots, residual_offset)
        arrays = (y, slot, shifted(residual, residual_offset), out)
        return self._run("unmergeAdd", arrays, sizes, offset=offset, order=order)

    def _run(self, name: str, arrays: Any, sizes: Any, *, offset: int, order: int) -> NDArray[Any]:
        source, *others, out = arrays
        given = shifted(source, offset), *others, shifted(out, offset)
        kind = TYPES.index(source.dtype)
        answer = self.kernels.call(name, *given, kind, *sizes, offset, order=order)
        written = answer.arrays[-1]
        assert answer.code == 0
        assert (written[:offset] == 0xFF).all()
        return written[offset:].view(out.dtype).reshape(out.shape)
