"""What a backend must offer; everything else is the session's.

A backend is a library that runs network files: onnxruntime, openvino, tensorrt. (An *engine*,
everywhere in segpp, is a file that a compiler made for certain GPUs.) Each backend is one module of
this folder, which registers a ``BackendSpec`` in ``BACKENDS``; help screens, the doctor, hints on
what to install and the tests of the layers all read that:

    BACKENDS.register("openvino")(
        BackendSpec("OpenVINO", "openvino", (".onnx",), OpenVino, extra="openvino", needs=("onnx",))
    )
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from segpp.utils.registry import Registry

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendConfig",
    "BackendSpec",
    "DeviceTimes",
    "TensorInfo",
    "backends_for",
]

# The one that every other is compared with.
_DEFAULT = "onnxruntime"


@dataclass(frozen=True)
class TensorInfo:
    """One input or output as the backend declares it.

    Args:
        name: Its name in the file.
        shape: A number per dimension; a name or None where it is open.
        dtype: NumPy's name for the type, or the library's where NumPy has none.
    """

    name: str
    shape: tuple[int | str | None, ...]
    dtype: str


@dataclass(frozen=True)
class BackendConfig:
    """How to run; a backend refuses what it cannot honour.

    Args:
        threads: CPU threads; None leaves the choice to the library.
        provider: The library's device or execution provider ("cpu", "cuda"); None for its default.
        spinning: Let idle threads spin between calls: fastest back to back, but it keeps the
            cores busy beside a camera.
        alone: Nothing else computes between two calls, so that threads may go on spinning after
            one; False makes them stop at its end.
        precision: What the file's FP32 is computed in.
        cache: Keep what the library compiles beside the file, for the next time.
        trust: Take an engine without a manifest, whoever built it.
        cuda_graph: Let an engine replay its call as a CUDA graph, where it can.
        threads_asked_for: Whether somebody asked for so many threads, or they are only what a
            limit of this process suggests, of which a library may use fewer.
    """

    threads: int | None = None
    provider: str | None = None
    spinning: bool = True
    alone: bool = True
    precision: str = "fp32"
    cache: bool = True
    threads_asked_for: bool = True
    trust: bool = False
    cuda_graph: bool = True


@dataclass(frozen=True)
class DeviceTimes:
    """What one call took on a GPU, in milliseconds between its own events.

    Args:
        upload_ms: Inputs to the GPU's memory.
        engine_ms: The network, transfers not included.
        download_ms: Outputs to the CPU's memory.
        cuda_graph: Whether the network was replayed as a CUDA graph.
        shared_memory: Whether there is nothing to transfer, as GPU and CPU share their memory.
    """

    upload_ms: float
    engine_ms: float
    download_ms: float
    cuda_graph: bool
    shared_memory: bool

    @property
    def total_ms(self) -> float:
        """There, through, and back."""
        return self.upload_ms + self.engine_ms + self.download_ms


class Backend(Protocol):
    """A network that a library has loaded, ready to run."""

    @property
    def description(self) -> str:
        """Library, version and device in words, for reports."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how it runs, a sentence each."""

    @property
    def device_times(self) -> DeviceTimes | None:
        """Of the calling thread's last run; None where the library does not tell."""

    @property
    def at_once(self) -> int:
        """How many calls, from as many threads, can be under way; further ones wait."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The declared inputs."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The declared outputs."""

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> list[NDArray[Any]]:
        """Run the network once.

        Args:
            feeds: An array for every input, by name, of the declared shape and type.
            outputs: The outputs to return, by name.

        Returns:
            One array per name, in that order. They belong to the caller: a later call does not
            change them.

        Raises:
            GraphError: The library failed.
        """

    def close(self) -> None:
        """Give back the memory; the network is not run again."""


@dataclass(frozen=True)
class BackendSpec:
    """What is known of a backend without loading its library.

    Args:
        title: What its maker calls it.
        module: The Python module that must be installed.
        suffixes: The files it runs.
        open: Loads one; imports the library only when it is called.
        extra: The extra of segpp that brings it.
        distributions: What the module may be installed as, the usual one first; empty if only
            under its own name.
        needs: Other modules that its file imports, brought by the same extra.
    """

    title: str
    module: str
    suffixes: tuple[str, ...]
    open: Callable[[Path, BackendConfig], Backend]
    extra: str
    distributions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


BACKENDS: Registry[BackendSpec] = Registry("segpp.runtime.backends", kind="backend")


def backends_for(suffix: str) -> list[str]:
    """Return the names of the backends that run files ending in ``suffix``, the default first."""
    fitting = [name for name, spec in BACKENDS.items() if suffix in spec.suffixes]
    return sorted(fitting, key=lambda name: name != _DEFAULT)
