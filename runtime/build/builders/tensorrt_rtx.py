"""TensorRT-RTX: compiles for RTX workstations on any CPU, without a driver.

The parser takes no plugins, so the function bodies in the file are compiled.
"""

from collections.abc import Callable
from typing import Any

from segpp.errors import InputError
from segpp.runtime.build.builders import BUILDERS, BuildConfig, BuildRefused
from segpp.runtime.system.gpu import gpu_compute_capability
from segpp.utils.limits import usable_cpus

__all__ = ["TensorRtRtx"]

# Turing has no FP32 matrix product in this compiler, so one 7.5 in the list fails every FP32
# file, and FP16 engines for it are eight times as large (137 MB for B0, 1.7.1.116).
_ONLY_WHEN_NAMED = {"7.5"}

# Orin, Hopper and Thor: the GPUs that people ask for and that only plain TensorRT serves.
_PLAIN_TENSORRT = {"8.7", "9.0", "10.0", "10.1", "11.0"}


@BUILDERS.register("tensorrt-rtx")
class TensorRtRtx:
    """NVIDIA TensorRT-RTX, from its wheel."""

    title = "TensorRT-RTX"
    module = "tensorrt_rtx"
    extra = "rtx"
    distributions: tuple[str, ...] = ("tensorrt-rtx-cu13", "tensorrt-rtx", "tensorrt-rtx-cu12")

    def version(self) -> str:
        """Return the version of the wheel."""
        import tensorrt_rtx  # noqa: PLC0415 - 200 MB of libraries, only when asked for

        return str(tensorrt_rtx.__version__)

    def compute_capabilities(self, requested: tuple[str, ...]) -> tuple[str, ...]:
        """Return ``requested``; by default this machine's GPU, or without one all but Turing."""
        supported = tuple(_members())
        for capability in requested:
            if capability not in supported:
                raise _unknown(capability, supported, self)
        if requested:
            return tuple(name for name in supported if name in requested)
        own = gpu_compute_capability()
        if own in supported:
            return (own,)
        return tuple(name for name in supported if name not in _ONLY_WHEN_NAMED)

    def build(self, config: BuildConfig, log: Callable[[str, str], None]) -> None:
        """Parse and compile; no timing cache, which would look for a GPU."""
        import tensorrt_rtx as trt  # noqa: PLC0415 - 200 MB of libraries, only when asked for

        logger = _logger(trt, log)
        builder = trt.Builder(logger)
        # Left alone it takes every CPU there is, those of others too.
        builder.max_threads = usable_cpus()
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, logger)
        if not parser.parse_from_file(str(config.onnx)):
            raise BuildRefused
        engine = builder.build_serialized_network(network, _builder_config(trt, builder, config))
        if engine is None:
            raise BuildRefused
        config.output.write_bytes(engine)


def _builder_config(trt: Any, builder: Any, config: BuildConfig) -> Any:
    theirs, members = builder.create_builder_config(), _members()
    theirs.num_compute_capabilities = len(config.compute_capabilities)
    for index, capability in enumerate(config.compute_capabilities):
        theirs.set_compute_capability(members[capability], index)
    if config.workspace is not None:
        theirs.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, config.workspace)
    return theirs


def _members() -> dict[str, Any]:
    """Return the compute capabilities of this version: ``SM120`` is ``12.0``."""
    import tensorrt_rtx as trt  # noqa: PLC0415 - 200 MB of libraries, only when asked for

    named = trt.ComputeCapability.__members__
    numbers = sorted(int(name[2:]) for name in named if name.startswith("SM"))
    return {f"{number // 10}.{number % 10}": named[f"SM{number}"] for number in numbers}


def _unknown(capability: str, supported: tuple[str, ...], builder: TensorRtRtx) -> InputError:
    return InputError(
        f"{builder.title} {builder.version()} does not build for compute capability {capability!r}",
        f"it builds for: {', '.join(supported)}",
        hint="Jetson boards and data-centre GPUs take engines of plain TensorRT"
        if capability in _PLAIN_TENSORRT
        else None,
    )


def _logger(trt: Any, log: Callable[[str, str], None]) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc]  # the base comes from an untyped library
        def __init__(self) -> None:
            # super() does not reach the constructor of a pybind11 base.
            trt.ILogger.__init__(self)

        def log(self, severity: Any, text: str) -> None:
            log(severity.name, text)

    return Logger()
