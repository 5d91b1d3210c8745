"""The way of one call to a GPU and back, so that several can be under way.

A GPU copies and computes at the same time, if the copies are on another stream than the work. So
each call under way has a stream for its copies, and places of its own for what it copies:

    copies of call 1    up . . . . . . down
    the one engine         work 1 work 2 work 3
    copies of call 2      up           . . . down

The work of all calls is on one stream, in the order in which they come: they share the engine's
memory for what lies between its layers, which is the large part.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from numpy.typing import NDArray

from segpp.runtime.backends.base import DeviceTimes
from segpp.runtime.backends.engine.buffers import Buffers, Tensor
from segpp.runtime.backends.engine.cuda import Cuda
from segpp.runtime.backends.engine.graph import CudaGraph, capture

__all__ = ["Lane"]

# Around the way there, around the engine, and after the way back.
_EVENTS = 5


class Lane:
    """Places for the inputs and outputs of one call at a time, and the stream of its copies.

    Args:
        cuda: CUDA's runtime.
        tensors: The engine's.
        shared: Have the GPU use the CPU's memory in place, so that nothing is copied.

    Raises:
        CudaError: There is not so much memory.
    """

    def __init__(self, cuda: Cuda, tensors: Sequence[Tensor], *, shared: bool) -> None:
        self._cuda = cuda
        self._graph: CudaGraph | None = None
        with ExitStack() as stack:
            self._copies = cuda.create_stream()
            stack.callback(cuda.destroy_stream, self._copies)
            self._events = [self._event(stack) for _ in range(_EVENTS)]
            self._buffers = Buffers(cuda, tensors, shared=shared)
            stack.callback(self._buffers.close)
            self._held = stack.pop_all()

    @property
    def has_graph(self) -> bool:
        """Whether its work is a CUDA graph."""
        return self._graph is not None

    def address(self, name: str) -> int:
        """Return where the GPU finds a tensor of this lane."""
        return self._buffers.address(name)

    def capture(self, work: Any, enqueue: Callable[[Any], bool]) -> None:
        """Keep what is told to the stream ``work`` as a CUDA graph; see ``graph.capture``."""
        self._graph = capture(self._cuda, work, enqueue)
        self._held.callback(self._graph.close)

    def send(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        """Have the inputs be copied to the GPU."""
        there, sent, *_ = self._events
        for name, values in feeds.items():
            self._buffers.fill(name, values)
        self._cuda.record(there, self._copies)
        self._buffers.upload(list(feeds), self._copies)
        self._cuda.record(sent, self._copies)

    def compute(self, work: Any, launch: Callable[[], None]) -> None:
        """Have the stream ``work`` do the engine's work, once the inputs are there.

        Args:
            work: The stream of the engine; the caller sees to it that no other uses it meanwhile.
            launch: Tells that stream, where this lane has no graph.
        """
        _, sent, begin, end, _ = self._events
        self._cuda.wait(work, sent)
        self._cuda.record(begin, work)
        if self._graph:
            self._graph.launch(work)
        else:
            launch()
        self._cuda.record(end, work)

    def receive(self, outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Copy outputs from the GPU once they are there, and return them as arrays of their own."""
        *_, end, back = self._events
        self._cuda.wait(self._copies, end)
        self._buffers.download(outputs, self._copies)
        self._cuda.record(back, self._copies)
        self._cuda.synchronize(self._copies)
        return [self._buffers.take(name) for name in outputs]

    def measured(self) -> DeviceTimes:
        """Return what the last call took; waiting for another call's work is in none of it."""
        there, sent, begin, end, back = self._events
        took = self._cuda.elapsed_ms
        return DeviceTimes(
            upload_ms=took(there, sent),
            engine_ms=took(begin, end),
            download_ms=took(end, back),
            cuda_graph=self.has_graph,
            shared_memory=self._buffers.shared,
        )

    def close(self) -> None:
        """Give everything back."""
        self._held.close()

    def _event(self, stack: ExitStack) -> Any:
        event = self._cuda.create_event()
        stack.callback(partial(self._cuda.destroy_event, event))
        return event
