"""An engine that is loaded and ready: arrays in, arrays out, two calls under way at a time.

Any number of networks may run at once, in threads or not: each has a stream, a context and memory
of its own. Of the callers of one network two are under way: while the GPU works for the one, the
other's inputs are on their way there, or its outputs on their way back.
"""

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from queue import LifoQueue
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from segpp.errors import GraphError
from segpp.runtime.backends.base import DeviceTimes, TensorInfo
from segpp.runtime.backends.engine.buffers import Tensor
from segpp.runtime.backends.engine.cuda import Cuda
from segpp.runtime.backends.engine.lane import Lane

__all__ = ["EngineNetwork", "Program"]

# One that computes and one that copies keep a GPU busy; a third would only wait, and be older.
_LANES = 2


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
        self._tensors = tensors
        self._inputs = [one for one in tensors if one.is_input]
        self._order, self._times = threading.Lock(), threading.local()
        self._bound: Lane | None = None
        self.notes: tuple[str, ...] = ()
        with ExitStack() as stack:
            self._work = cuda.create_stream()
            stack.callback(cuda.destroy_stream, self._work)
            lanes = [self._lane(stack, shared=shared, wanted=cuda_graph) for _ in range(_LANES)]
            self._memory = stack.pop_all()
        # The last one given back first: a single caller always has the same.
        self._free: LifoQueue[Lane | None] = LifoQueue()
        for lane in lanes:
            self._free.put(lane)
        has_graph = all(lane.has_graph for lane in lanes)
        ways = ["CUDA graph" if has_graph else "no CUDA graph", *(["zero-copy"] * shared)]
        self.description = f"{name}, {', '.join(ways)})"
        self.inputs = tuple(_info(one) for one in tensors if one.is_input)
        self.outputs = tuple(_info(one) for one in tensors if not one.is_input)

    @property
    def at_once(self) -> int:
        """How many calls can be under way."""
        return _LANES

    @property
    def device_times(self) -> DeviceTimes | None:
        """Of this thread's last call."""
        return getattr(self._times, "last", None)

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Return ``outputs``, computed from ``feeds``."""
        self._check(feeds, outputs)
        lane = self._free.get()
        try:
            if lane is None:
                raise GraphError(f"{self._path} is closed")
            lane.send(feeds)
            with self._order:
                lane.compute(self._work, lambda: self._launch(lane))
            found = lane.receive(outputs)
            self._times.last = lane.measured()
            return found
        finally:
            self._free.put(lane)

    def close(self) -> None:
        """Give back the memory of CPU and GPU, and the engine, once nobody uses it."""
        lanes = [self._free.get() for _ in range(_LANES)]
        if None not in lanes:
            self._memory.close()
            self._program.close()
        # Whoever waits for a lane is told, and who closes it again waits for none.
        for _ in range(_LANES):
            self._free.put(None)

    def _lane(self, stack: ExitStack, *, shared: bool, wanted: bool) -> Lane:
        """Return a lane that has run once, so that everything is compiled and set up."""
        lane = Lane(self._cuda, self._tensors, shared=shared)
        stack.callback(lane.close)
        self._launch(lane)
        self._cuda.synchronize(self._work)
        if wanted and not self.notes:
            self._capture(lane)
        return lane

    def _launch(self, lane: Lane) -> None:
        """Have the engine's stream do one call, where the lane's tensors are."""
        if self._bound is not lane:
            for one in self._tensors:
                self._program.bind(one.name, lane.address(one.name))
            self._bound = lane
        if not self._program.enqueue(self._work):
            raise GraphError(f"{self._path} failed to run: the library does not enqueue it")

    def _capture(self, lane: Lane) -> None:
        try:
            lane.capture(self._work, self._program.enqueue)
        except GraphError as failure:
            said = " ".join((failure.problem, *failure.facts))
            self.notes = (f"it runs without a CUDA graph: {said}",)
            # Whether it still runs shows now, and not in the middle of a video.
            self._launch(lane)
            self._cuda.synchronize(self._work)

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
