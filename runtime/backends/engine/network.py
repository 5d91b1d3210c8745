"""An engine that is loaded and ready: arrays in, arrays out, one call at a time.

Any number of networks may run at once, in threads or not: each has a stream, a context and memory
of its own. One network takes its callers in turn.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segpp.errors import GraphError
from segpp.runtime.backends.base import DeviceTimes, TensorInfo
from segpp.runtime.backends.engine.buffers import Buffers, Tensor
from segpp.runtime.backends.engine.cuda import Cuda
from segpp.runtime.backends.engine.graph import CudaGraph, capture

__all__ = ["EngineNetwork", "Program"]

# Before and after the way there, the engine, and the way back.
_EVENTS = 4


class Program(Protocol):
    """What a library makes of an engine: work at addresses."""

    def bind(self, name: str, address: int) -> None:
        """Have a tensor be at an address of the GPU."""

    def enqueue(self, stream: Any) -> bool:
        """Have a stream do the work once; return False if the library refuses."""

    def close(self) -> None:
        """Give back what the library holds."""


class EngineNetwork:
    """A ``Backend`` of a program that runs at fixed addresses.

    Args:
        cuda: CUDA's runtime.
        program: What the library made of the engine.
        tensors: Its inputs and outputs.
        name: Library, version and GPU in words.
        path: The file, for messages.
        shared: Have the GPU use the CPU's memory in place.
        cuda_graph: Replay the call as a CUDA graph, where it can be one.

    Raises:
        GraphError: The engine does not run, or there is not enough memory.
    """

    def __init__(
        self,
        cuda: Cuda,
        program: Program,
        tensors: Sequence[Tensor],
        *,
        name: str,
        path: Path,
        shared: bool,
        cuda_graph: bool,
    ) -> None:
        self._cuda, self._program, self._path = cuda, program, path
        self._inputs = [one for one in tensors if one.is_input]
        self._lock, self._times = threading.Lock(), threading.local()
        self.notes: tuple[str, ...] = ()
        with ExitStack() as stack:
            self._stream = cuda.create_stream()
            stack.callback(cuda.destroy_stream, self._stream)
            self._events = [self._event(stack) for _ in range(_EVENTS)]
            self._buffers = Buffers(cuda, tensors, shared=shared)
            stack.callback(self._buffers.close)
            for one in tensors:
                program.bind(one.name, self._buffers.address(one.name))
            self._graph = self._warm_up(stack, wanted=cuda_graph)
            self._memory = stack.pop_all()
        ways = ["CUDA graph" if self._graph else "no CUDA graph", *(["zero-copy"] * shared)]
        self.description = f"{name}, {', '.join(ways)})"
        self.inputs = tuple(_info(one) for one in tensors if one.is_input)
        self.outputs = tuple(_info(one) for one in tensors if not one.is_input)

    @property
    def device_times(self) -> DeviceTimes | None:
        """Of this thread's last call."""
        return getattr(self._times, "last", None)

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Return ``outputs``, computed from ``feeds``."""
        self._check(feeds, outputs)
        with self._lock:
            for name, values in feeds.items():
                self._buffers.fill(name, values)
            self._call(list(feeds), outputs)
            self._times.last = self._measured()
            return [self._buffers.take(name) for name in outputs]

    def close(self) -> None:
        """Give back the memory of CPU and GPU, and the engine."""
        with self._lock:
            self._memory.close()
            self._program.close()

    def _call(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Do one call, way there and back included, and wait for its end."""
        there, begin, end, back = self._events
        self._cuda.record(there, self._stream)
        self._buffers.upload(inputs, self._stream)
        self._cuda.record(begin, self._stream)
        if self._graph:
            self._graph.launch(self._stream)
        else:
            self._launch()
        self._cuda.record(end, self._stream)
        self._buffers.download(outputs, self._stream)
        self._cuda.record(back, self._stream)
        self._cuda.synchronize(self._stream)

    def _launch(self) -> None:
        if not self._program.enqueue(self._stream):
            raise GraphError(f"{self._path} failed to run: the library does not enqueue it")

    def _warm_up(self, stack: ExitStack, *, wanted: bool) -> CudaGraph | None:
        """Run once, so that everything is compiled and set up, and capture the second call."""
        self._launch()
        self._cuda.synchronize(self._stream)
        if not wanted:
            return None
        try:
            graph = capture(self._cuda, self._stream, self._program.enqueue)
        except GraphError as failure:
            said = " ".join((failure.problem, *failure.facts))
            self.notes = (f"it runs without a CUDA graph: {said}",)
            # Whether it still runs shows now, and not in the middle of a video.
            self._launch()
            self._cuda.synchronize(self._stream)
            return None
        stack.callback(graph.close)
        return graph

    def _measured(self) -> DeviceTimes:
        there, begin, end, back = self._events
        took = self._cuda.elapsed_ms
        return DeviceTimes(
            upload_ms=took(there, begin),
            engine_ms=took(begin, end),
            download_ms=took(end, back),
            cuda_graph=self._graph is not None,
            shared_memory=self._buffers.shared,
        )

    def _event(self, stack: ExitStack) -> Any:
        event = self._cuda.create_event()
        stack.callback(partial(self._cuda.destroy_event, event))
        return event

    def _check(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> None:
        """Raise GraphError for what would write beyond a tensor, or leave an old one in place."""
        for one in self._inputs:
            given = feeds.get(one.name)
            if not isinstance(given, np.ndarray) or (given.shape, given.dtype) != (
                one.shape,
                one.dtype,
            ):
                found = "nothing" if given is None else f"{given.dtype} {given.shape}"
                raise GraphError(
                    f"{self._path} takes {one.name} as {one.dtype} {one.shape}, not {found}"
                )
        known = {info.name for info in self.outputs}
        if unknown := [name for name in outputs if name not in known]:
            raise GraphError(f"{self._path} has no output {unknown[0]!r}")


def _info(tensor: Tensor) -> TensorInfo:
    return TensorInfo(tensor.name, tensor.shape, tensor.dtype.name)
