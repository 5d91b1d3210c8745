"""CUDA's memory, streams, events and graphs, played by the CPU.

For the bookkeeping around an engine: addresses, copies, order, who gives back what. A stream does
at once what it is told, unless it is being captured; "GPU" memory is other memory of the CPU. It
shows nothing about a GPU. ``tests/runtime/backends/engine/test_cuda.py`` holds the calls that it
stands for to NVIDIA's bindings.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from segpp.runtime.backends.engine.buffers import Tensor, array_at
from segpp.runtime.backends.engine.cuda import Cuda, CudaError

__all__ = ["AddOne", "CpuCuda", "tensors"]


class CpuCuda(Cuda):
    """Counts what is held, so that a test can see that all was given back."""

    def __init__(self, *, integrated: bool = False) -> None:
        super().__init__(None)
        self.__dict__.update(
            integrated=integrated, memory={}, held=[], copies=[], noted=None, launches=0, clock=0.0
        )

    def attribute(self, name: str) -> int:  # noqa: ARG002 - both it is asked for are one
        return int(self.integrated)

    def create_stream(self) -> Any:
        return self._hold("stream")

    def synchronize(self, _stream: Any) -> None:
        pass

    def destroy_stream(self, stream: Any) -> None:
        self.held.remove(stream)

    def allocate(self, size: int) -> int:
        block = (ctypes.c_ubyte * size)()
        # What a GPU's fresh memory holds is anybody's.
        ctypes.memset(block, 0xAB, size)
        self.memory[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def free(self, address: int) -> None:
        del self.memory[address]

    def allocate_host(self, size: int, *, mapped: bool) -> int:  # noqa: ARG002 - all memory is mapped here
        return self.allocate(size)

    def free_host(self, address: int) -> None:
        self.free(address)

    def device_address(self, host: int) -> int:
        return host

    def upload(self, device: int, host: int, size: int, _stream: Any) -> None:
        self._copy("upload", device, host, size)

    def download(self, host: int, device: int, size: int, _stream: Any) -> None:
        self._copy("download", host, device, size)

    def create_event(self) -> Any:
        return self._hold("event")

    def record(self, event: Any, _stream: Any) -> None:
        self.__dict__["clock"] += 1.0
        event.time = self.clock

    def wait(self, _stream: Any, _event: Any) -> None:
        pass

    def elapsed_ms(self, begin: Any, end: Any) -> float:
        return float(end.time - begin.time)

    def destroy_event(self, event: Any) -> None:
        self.held.remove(event)

    def begin_capture(self, _stream: Any) -> None:
        self.__dict__["noted"] = []

    def end_capture(self, _stream: Any) -> Any:
        noted, self.__dict__["noted"] = self.noted, None
        graph = self._hold("graph")
        graph.work = noted
        return graph

    def instantiate(self, graph: Any) -> Any:
        executable = self._hold("executable")
        executable.work = list(graph.work)
        return executable

    def launch(self, executable: Any, _stream: Any) -> None:
        self.__dict__["launches"] += 1
        for work in executable.work:
            work()

    def destroy_graph(self, graph: Any) -> None:
        self.held.remove(graph)

    def destroy_executable(self, executable: Any) -> None:
        self.held.remove(executable)

    def forget_error(self) -> None:
        pass

    def do(self, work: Callable[[], None], _stream: Any) -> None:
        """Do something on the stream: now, or whenever what is being captured is launched."""
        work() if self.noted is None else self.noted.append(work)

    def _copy(self, kind: str, to: int, source: int, size: int) -> None:
        self.copies.append((kind, size))
        ctypes.memmove(to, source, size)

    def _hold(self, kind: str) -> Any:
        thing = type(kind, (), {"time": 0.0, "work": []})()
        self.held.append(thing)
        return thing


class AddOne:
    """A program that computes y = x + 1 and z = 2 * x, wherever its tensors are bound."""

    def __init__(self, cuda: CpuCuda, *, refuses: str = "") -> None:
        self.cuda, self.refuses = cuda, refuses
        self.addresses: dict[str, int] = {}
        self.enqueued, self.closed = 0, False

    def bind(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def enqueue(self, stream: Any) -> bool:
        captured = self.cuda.noted is not None
        if self.refuses == "always" or (self.refuses == "capture" and captured):
            return False
        if self.refuses == "capture by error" and captured:
            raise CudaError("cudaMalloc failed", "CUDA says: not while a stream is captured")
        self.enqueued += 1
        self.cuda.do(self._compute_at(dict(self.addresses)), stream)
        return True

    def close(self) -> None:
        self.closed = True

    def _compute_at(self, addresses: dict[str, int]) -> Callable[[], None]:
        # As a GPU's work does, it keeps the addresses that were bound when it was told.
        def compute() -> None:
            x, y, z = (array_at(addresses[one.name], one) for one in tensors())
            y[...] = x + 1
            z[...] = 2 * x

        return compute


def tensors() -> tuple[Tensor, ...]:
    """Return what ``AddOne`` takes and gives."""
    kind = np.dtype("float32")
    return (
        Tensor("x", (2, 3), kind, is_input=True),
        Tensor("y", (2, 3), kind, is_input=False),
        Tensor("z", (2, 3), kind, is_input=False),
    )
