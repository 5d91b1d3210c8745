"""TensorRT-RTX: compiles for RTX workstations on any CPU, without a driver.

The parser takes no plugins, so the function bodies in the file are compiled.
"""

from typing import Any

from segpp.errors import InputError
from segpp.runtime.build.builders import BUILDERS, NO_PLUGIN, BuildConfig, Log
from segpp.runtime.build.compile import (
    apply_settings,
    build_network,
    make_logger,
    open_builder,
    parse_model,
)
from segpp.runtime.build.network import NETWORK, describe_network, render_facts
from segpp.runtime.onnx_reader.own_nodes import read_own_nodes
from segpp.runtime.system.gpu import gpu_compute_capability

__all__ = ["TensorRtRtx"]

# Turing has no FP32 matrix product in this compiler, so one 7.5 in the list fails every FP32
# file, and FP16 engines for it are eight times as large (137 MB for B0, 1.7.1.116).
_ONLY_WHEN_NAMED = {"7.5"}

# Orin, Hopper and Thor: the GPUs that people ask for and that only plain TensorRT serves.
_PLAIN_TENSORRT = {"8.7", "9.0", "10.0", "10.1", "11.0"}

_PLAIN = "plain TensorRT does, on the machine with the GPU: --backend tensorrt"


@BUILDERS.register("tensorrt-rtx")
class TensorRtRtx:
    """NVIDIA TensorRT-RTX, from its wheel."""

    title = "TensorRT-RTX"
    module = "tensorrt_rtx"
    extra = "rtx"
    distributions: tuple[str, ...] = ("tensorrt-rtx-cu13", "tensorrt-rtx", "tensorrt-rtx-cu12")
    needs_gpu = False
    takes_plugins = False

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

    def check(self, config: BuildConfig) -> None:
        """Refuse what it has no use for; nothing that was asked for is passed over in silence."""
        asked = {
            "`timing_cache`": (config.timing_cache, "with one it would look for a GPU"),
            # Engines of level 0, 3 and 5 are the same bytes (1.7.1.116).
            "`optimization_level`": (
                config.optimization_level is not None,
                "it chooses kernels where the engine first runs",
            ),
            "`plugin`": (config.plugin not in {None, NO_PLUGIN}, "its parser takes no plugins"),
            "`embed_plugin`": (config.embed_plugin, "its parser takes no plugins"),
            "`version_compatible`": (
                config.version_compatible,
                "the library that would run such engines does not come with it",
            ),
        }
        for argument, (given, reason) in asked.items():
            if given:
                raise InputError(
                    f"{self.title} has no use for {argument}", f"reason: {reason}", hint=_PLAIN
                )

    def build(self, config: BuildConfig, log: Log) -> None:
        """Parse and compile; no timing cache, which would look for a GPU."""
        import tensorrt_rtx as trt  # noqa: PLC0415 - 200 MB of libraries, only when asked for

        logger = make_logger(trt, log)
        builder = open_builder(trt, logger)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        model = config.onnx.read_bytes()
        parser = parse_model(trt, network, model, config.onnx, logger)
        facts = describe_network(trt, network, read_own_nodes(model), typing="strong")
        log(NETWORK, render_facts(facts))
        if not config.dry_run:
            build_network(builder, network, _settings(trt, builder, config, log), config.output)
        # The network refers to what the parser holds.
        del parser


def _settings(trt: Any, builder: Any, config: BuildConfig, log: Log) -> Any:
    theirs, members = builder.create_builder_config(), _members()
    theirs.num_compute_capabilities = len(config.compute_capabilities)
    for index, capability in enumerate(config.compute_capabilities):
        theirs.set_compute_capability(members[capability], index)
    apply_settings(trt, theirs, config, log)
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
