"""The calls of CUDA's runtime that engines need, through NVIDIA's Python bindings.

Every function of the bindings returns an error code and then its values. Nothing here decides
anything; it is the one part that only a GPU can run, and so as thin as can be.
"""

from dataclasses import dataclass
from typing import Any

from segpp.errors import GraphError, MissingError
from segpp.runtime.system.gpu import cuda_of_driver

__all__ = ["Cuda", "CudaError", "load_cuda"]

# What it says where no driver or no GPU is, in several versions.
_NO_DEVICE = ("cudaErrorInsufficientDriver", "cudaErrorNoDevice", "libcuda", "cuInit")


class CudaError(GraphError):
    """A call of CUDA failed."""


@dataclass(frozen=True)
class Cuda:
    """CUDA's runtime; handles and addresses are integers or the bindings' own objects.

    Args:
        runtime: The module of the bindings.
    """

    runtime: Any

    def call(self, name: str, *arguments: Any) -> Any:
        """Return what a function gives: None, its value, or a tuple of several.

        Raises:
            CudaError: It returned an error.
        """
        try:
            error, *values = getattr(self.runtime, name)(*arguments)
        except RuntimeError as failure:  # the bindings of CUDA 12.6 without a driver
            raise CudaError(f"{name} failed", f"CUDA says: {failure}") from failure
        if int(error) != 0:
            raise CudaError(f"{name} failed", f"CUDA says: {error.name} ({int(error)})")
        return None if not values else values[0] if len(values) == 1 else tuple(values)

    def attribute(self, name: str) -> int:
        """Return a number that CUDA tells of the first GPU."""
        return int(self.call("cudaDeviceGetAttribute", self._enum("cudaDeviceAttr", name), 0))

    def create_stream(self) -> Any:
        """Return a stream that does not wait for the default one."""
        return self.call("cudaStreamCreateWithFlags", self._flag("cudaStreamNonBlocking", 1))

    def synchronize(self, stream: Any) -> None:
        """Wait until a stream has done everything."""
        self.call("cudaStreamSynchronize", stream)

    def destroy_stream(self, stream: Any) -> None:
        """Give a stream back."""
        self.call("cudaStreamDestroy", stream)

    def allocate(self, size: int) -> int:
        """Return the address of memory on the GPU."""
        return int(self.call("cudaMalloc", size))

    def free(self, address: int) -> None:
        """Give memory on the GPU back."""
        self.call("cudaFree", address)

    def allocate_host(self, size: int, *, mapped: bool) -> int:
        """Return the address of pinned memory of the CPU; mapped, the GPU reads it in place."""
        flag = self._flag("cudaHostAllocMapped", 2) if mapped else 0
        return int(self.call("cudaHostAlloc", size, flag))

    def free_host(self, address: int) -> None:
        """Give pinned memory back."""
        self.call("cudaFreeHost", address)

    def device_address(self, host: int) -> int:
        """Return where the GPU sees mapped memory of the CPU."""
        return int(self.call("cudaHostGetDevicePointer", host, 0))

    def upload(self, device: int, host: int, size: int, stream: Any) -> None:
        """Copy bytes to the GPU, in the order of the stream."""
        self._copy(device, host, size, "cudaMemcpyHostToDevice", stream)

    def download(self, host: int, device: int, size: int, stream: Any) -> None:
        """Copy bytes from the GPU, in the order of the stream."""
        self._copy(host, device, size, "cudaMemcpyDeviceToHost", stream)

    def create_event(self) -> Any:
        """Return an event that keeps its time."""
        return self.call("cudaEventCreate")

    def record(self, event: Any, stream: Any) -> None:
        """Have the event happen when the stream comes to it."""
        self.call("cudaEventRecord", event, stream)

    def wait(self, stream: Any, event: Any) -> None:
        """Have a stream go on only once an event has happened; the caller does not wait."""
        self.call("cudaStreamWaitEvent", stream, event, 0)

    def elapsed_ms(self, begin: Any, end: Any) -> float:
        """Return the time between two events that have happened."""
        return float(self.call("cudaEventElapsedTime", begin, end))

    def destroy_event(self, event: Any) -> None:
        """Give an event back."""
        self.call("cudaEventDestroy", event)

    def begin_capture(self, stream: Any) -> None:
        """Have a stream note down what it is told, instead of doing it."""
        # What other threads do meanwhile, as to allocate, is none of this capture's business.
        mode = self._enum("cudaStreamCaptureMode", "cudaStreamCaptureModeThreadLocal")
        self.call("cudaStreamBeginCapture", stream, mode)

    def end_capture(self, stream: Any) -> Any:
        """Return what was noted down, a graph."""
        return self.call("cudaStreamEndCapture", stream)

    def instantiate(self, graph: Any) -> Any:
        """Return a graph that can be launched."""
        return self.call("cudaGraphInstantiate", graph, 0)

    def launch(self, executable: Any, stream: Any) -> None:
        """Do what was noted down."""
        self.call("cudaGraphLaunch", executable, stream)

    def destroy_graph(self, graph: Any) -> None:
        """Give a graph back."""
        self.call("cudaGraphDestroy", graph)

    def destroy_executable(self, executable: Any) -> None:
        """Give back a graph that could be launched."""
        self.call("cudaGraphExecDestroy", executable)

    def forget_error(self) -> None:
        """Clear the error of a failed call, which the next would return again."""
        self.runtime.cudaGetLastError()

    def _copy(self, to: int, source: int, size: int, kind: str, stream: Any) -> None:
        self.call("cudaMemcpyAsync", to, source, size, self._enum("cudaMemcpyKind", kind), stream)

    def _enum(self, kind: str, name: str) -> Any:
        return getattr(getattr(self.runtime, kind), name)

    def _flag(self, name: str, value: int) -> int:
        # A constant of cuda.h, which not every version of the bindings has.
        return int(getattr(self.runtime, name, value))


def load_cuda() -> Cuda:
    """Return CUDA's runtime with a GPU that answers.

    Raises:
        MissingError: The bindings are not installed or do not fit the driver, or no GPU is here.
    """
    cuda = Cuda(_bindings())
    try:
        if not cuda.call("cudaGetDeviceCount"):
            raise MissingError("CUDA knows no GPU here")
    except CudaError as failure:
        known = any(name in str(failure) for name in _NO_DEVICE)
        reason = "no NVIDIA GPU answers here" if known else "CUDA does not start"
        raise MissingError(reason, *failure.facts, hint=_other_bindings()) from failure
    return cuda


def _bindings() -> Any:
    try:
        from cuda.bindings import runtime  # noqa: PLC0415 - only where an engine runs
    except ImportError:
        return _older_bindings()
    return runtime


def _older_bindings() -> Any:
    """Return them under the name that they had up to CUDA 12."""
    try:
        from cuda import cudart  # noqa: PLC0415 - as above
    except ImportError as failure:
        raise MissingError(
            "CUDA's Python bindings are not installed", hint=f"pip install '{_package()}'"
        ) from failure
    return cudart


def _package() -> str:
    # Bindings of a later CUDA than the driver's do not start.
    known = cuda_of_driver()
    return f"cuda-bindings<{known[0] + 1}" if known else "cuda-bindings"


def _other_bindings() -> str | None:
    known = cuda_of_driver()
    if known is None:
        return None
    return f"the driver is for CUDA {known[0]}.{known[1]}: pip install '{_package()}'"
