"""Memory for the inputs and outputs of an engine, at addresses that stay.

A CUDA graph replays the addresses that it was captured with, so every tensor has its place as
long as the network is loaded:

    a GPU of its own memory      pinned memory of the CPU, and as much on the GPU; copies between
    a GPU in the CPU's memory    pinned memory that the GPU reads and writes in place: no copies
"""

import ctypes
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segpp.runtime.backends.engine.cuda import Cuda

__all__ = ["Buffers", "Tensor", "array_at", "is_shared_memory"]


@dataclass(frozen=True)
class Tensor:
    """An input or output with a fixed shape.

    Args:
        name: Its name in the engine.
        shape: Numbers.
        dtype: NumPy's type.
        is_input: Whether it is fed.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_input: bool

    @property
    def bytes(self) -> int:
        """Its size, at least one byte."""
        return max(1, prod(self.shape) * self.dtype.itemsize)


@dataclass(frozen=True)
class _Place:
    """Where a tensor lies: for the CPU as an array, and for the GPU at an address."""

    tensor: Tensor
    host_address: int
    host: NDArray[Any]
    device_address: int


class Buffers:
    """The places of all tensors of an engine.

    Args:
        cuda: CUDA's runtime.
        tensors: The engine's.
        shared: Have the GPU use the CPU's memory in place.

    Raises:
        CudaError: There is not so much memory.
    """

    def __init__(self, cuda: Cuda, tensors: Sequence[Tensor], *, shared: bool) -> None:
        self._cuda, self.shared = cuda, shared
        with ExitStack() as stack:
            self._places = {one.name: self._place(one, stack) for one in tensors}
            self._memory = stack.pop_all()

    def address(self, name: str) -> int:
        """Return where the GPU finds a tensor."""
        return self._places[name].device_address

    def fill(self, name: str, values: NDArray[Any]) -> None:
        """Put an input where the GPU, or the copy to it, reads it."""
        np.copyto(self._places[name].host, values, casting="no")

    def upload(self, names: Sequence[str], stream: Any) -> None:
        """Copy inputs to the GPU, in the order of the stream; nothing where memory is shared."""
        for place in self._copied(names):
            self._cuda.upload(place.device_address, place.host_address, place.tensor.bytes, stream)

    def download(self, names: Sequence[str], stream: Any) -> None:
        """Copy outputs from the GPU, likewise."""
        for place in self._copied(names):
            self._cuda.download(
                place.host_address, place.device_address, place.tensor.bytes, stream
            )

    def take(self, name: str) -> NDArray[Any]:
        """Return an output as an array of its own, which the next call does not touch."""
        taken: NDArray[Any] = self._places[name].host.copy()
        return taken

    def close(self) -> None:
        """Give all memory back; arrays that were taken stay."""
        self._places.clear()
        self._memory.close()

    def _copied(self, names: Sequence[str]) -> list[_Place]:
        return [] if self.shared else [self._places[name] for name in names]

    def _place(self, tensor: Tensor, stack: ExitStack) -> _Place:
        host = self._cuda.allocate_host(tensor.bytes, mapped=self.shared)
        stack.callback(self._cuda.free_host, host)
        if self.shared:
            device = self._cuda.device_address(host)
        else:
            device = self._cuda.allocate(tensor.bytes)
            stack.callback(self._cuda.free, device)
        array = array_at(host, tensor)
        # The warm-up runs on whatever is here.
        array.fill(0)
        return _Place(tensor, host, array, device)


def array_at(address: int, tensor: Tensor) -> NDArray[Any]:
    """Return the memory at an address as an array of a tensor's shape and type."""
    raw = (ctypes.c_ubyte * tensor.bytes).from_address(address)
    values: NDArray[Any] = np.ndarray(tensor.shape, tensor.dtype, memoryview(raw))
    return values


def is_shared_memory(cuda: Cuda) -> bool:
    """Return whether the GPU lies in the CPU's memory, as on every Jetson."""
    needed = ("cudaDevAttrIntegrated", "cudaDevAttrCanMapHostMemory")
    return all(cuda.attribute(name) for name in needed)
