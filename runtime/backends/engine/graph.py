"""A call as a CUDA graph: what the CPU tells the GPU in hundreds of launches, told in one.

Not every engine can be one: loops, shapes that follow from data and plugins that allocate cannot be
captured. Then it is launched as usual, and the reason stands in the network's description.
"""

from collections.abc import Callable
from typing import Any

from segpp.errors import GraphError
from segpp.runtime.backends.engine.cuda import Cuda, CudaError

__all__ = ["CudaGraph", "capture"]

# Notes work down on a stream; False if the library refused.
Enqueue = Callable[[Any], bool]


class CudaGraph:
    """A captured call; it reads and writes the addresses that it was captured with.

    Args:
        cuda: CUDA's runtime.
        executable: What is launched.
    """

    def __init__(self, cuda: Cuda, executable: Any) -> None:
        self._cuda, self._executable = cuda, executable

    def launch(self, stream: Any) -> None:
        """Have the stream do it once."""
        self._cuda.launch(self._executable, stream)

    def close(self) -> None:
        """Give it back."""
        self._cuda.destroy_executable(self._executable)


def capture(cuda: Cuda, stream: Any, enqueue: Enqueue) -> CudaGraph:
    """Return a call as a graph; it must have run once before, so that nothing is left to set up.

    Args:
        cuda: CUDA's runtime.
        stream: What to capture on; nothing else may use it meanwhile.
        enqueue: Tells the stream what the call does.

    Raises:
        GraphError: It cannot be captured; the stream works as before.
    """
    cuda.begin_capture(stream)
    taken = _enqueue(enqueue, stream)
    try:
        # A capture that has begun must end, whatever happened in it.
        graph = cuda.end_capture(stream)
    except CudaError:
        cuda.forget_error()
        raise
    try:
        if taken is not None:
            cuda.forget_error()
            raise taken
        return CudaGraph(cuda, cuda.instantiate(graph))
    finally:
        cuda.destroy_graph(graph)


def _enqueue(enqueue: Enqueue, stream: Any) -> GraphError | None:
    try:
        return None if enqueue(stream) else GraphError("the library does not enqueue it")
    except GraphError as failure:
        return failure
