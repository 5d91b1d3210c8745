"""TensorRT, 10.3 to 11: compiles for the GPU of this machine, a Jetson's above all.

With the plugin library the functions that its plugins replace are taken out of the file before it
is parsed, because TensorRT before 10.7 and from 10.15 on prefers a function to a plugin.
"""

from typing import Any

from segpp.errors import InputError, MissingError
from segpp.ops import CONTRACTS
from segpp.runtime.build.builders import BUILDERS, BuildConfig, Log
from segpp.runtime.build.compile import (
    apply_settings,
    build_network,
    make_logger,
    open_builder,
    parse_model,
)
from segpp.runtime.build.network import (
    NETWORK,
    NetworkFacts,
    Typing,
    describe_network,
    render_facts,
)
from segpp.runtime.build.weak_typing import keep_types, labels_as_int32, precision_flags
from segpp.runtime.onnx_reader.own_nodes import read_own_nodes
from segpp.runtime.onnx_reader.strip_functions import with_local_names, without_functions
from segpp.runtime.system.gpu import gpu_compute_capability

__all__ = ["TensorRt", "finish_network", "settings", "typing_of"]

_OLDEST = (10, 3)
# Weak typing is deprecated from here on, and gone in 11. Before 10.7 the parser sets a precision
# on every LayerNormalization, which a strongly typed network refuses.
_STRONG = (10, 12)
_MAGIC_BYTES = 4
# Its labels are INT8, which a weakly typed network takes for quantized values without a scale.
_NOT_WEAKLY_TYPED = frozenset({"SegppResizeArgmax"})


@BUILDERS.register("tensorrt")
class TensorRt:
    """NVIDIA TensorRT, from JetPack or its wheel."""

    title = "TensorRT"
    module = "tensorrt"
    extra = "tensorrt"
    distributions: tuple[str, ...] = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")
    needs_gpu = True
    takes_plugins = True

    def version(self) -> str:
        """Return the version of the library."""
        import tensorrt  # noqa: PLC0415 - 600 MB of libraries, only when asked for

        return str(tensorrt.__version__)

    def compute_capabilities(self, requested: tuple[str, ...]) -> tuple[str, ...]:
        """Return that of this machine's GPU; there is no building for another one."""
        own = gpu_compute_capability()
        if own is not None and set(requested) - {own}:
            raise InputError(
                f"{self.title} builds for the GPU at hand alone, of compute capability {own}, and "
                f"not for {', '.join(requested)}",
                hint="build on the machine that the engine is for",
            )
        return requested if own is None else (own,)

    def check(self, config: BuildConfig) -> None:
        """Refuse a TensorRT that is too old, and a build without a GPU."""
        if _numbers(self.version()) < _OLDEST:
            raise MissingError(
                f"{self.title} {self.version()} is too old: 10.3 is the first that segpp builds for",
                hint="JetPack 6.1 has it",
            )
        if not config.dry_run and gpu_compute_capability() is None:
            raise _no_gpu(self)
        if config.embed_plugin and config.plugin is None:
            raise InputError(
                "there is no plugin library to put into the engine",
                hint="name it by `plugin`; trt_plugins/README.md of the sources tells how to build it",
            )

    def build(self, config: BuildConfig, log: Log) -> None:
        """Parse and compile, each tensor in the type that the file gives it as far as possible."""
        import tensorrt as trt  # noqa: PLC0415 - 600 MB of libraries, only when asked for

        logger = make_logger(trt, log)
        try:
            builder = open_builder(trt, logger)
        except TypeError as failure:
            # The constructor's way to say that it made nothing.
            raise _no_gpu(self) from failure
        typing = typing_of(trt.__version__)
        network, parser, facts = finish_network(trt, builder, logger, config, typing)
        log(NETWORK, render_facts(facts))
        if not config.dry_run:
            theirs = settings(trt, builder, network, config, log, typing)
            build_network(builder, network, theirs, config.output)
            _save_timing_cache(theirs, config)
        # The network refers to what the parser holds.
        del parser


def typing_of(version: str) -> Typing:
    """Return how networks of a version of TensorRT are typed."""
    return "strong" if _numbers(version) >= _STRONG else "weak"


def finish_network(
    trt: Any, builder: Any, logger: Any, config: BuildConfig, typing: Typing
) -> tuple[Any, Any, NetworkFacts]:
    """Return the network as it is built, the parser, and what is in the network.

    Args:
        trt: The module.
        builder: Of the library.
        logger: Of the library, which keeps no hold of it and may use it as long as there are
            plugins.
        config: What to build.
        typing: How to type the network.

    Raises:
        BuildRefused: The parser refused the file.
        InputError: The library refused the plugins.
    """
    model = config.onnx.read_bytes()
    plugins = _load_plugins(trt, logger, config)
    parsed = model
    if typing == "weak":
        plugins -= _NOT_WEAKLY_TYPED
        parsed = with_local_names(model, _NOT_WEAKLY_TYPED)
    network = builder.create_network(_network_flags(trt, typing))
    parsed = without_functions(parsed, plugins)
    parser = parse_model(trt, network, parsed, config.onnx, logger)
    warnings: tuple[str, ...] = ()
    if typing == "weak":
        warnings = (*labels_as_int32(trt, network), *keep_types(trt, network))
    facts = describe_network(
        trt, network, read_own_nodes(model), typing=typing, warnings=warnings
    )
    return network, parser, facts


def _network_flags(trt: Any, typing: Typing) -> int:
    # Its number differs between 10 and 11, where it is ignored: there is no other typing.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 1 << int(flag) if typing == "strong" and flag is not None else 0


def settings(
    trt: Any, builder: Any, network: Any, config: BuildConfig, log: Log, typing: Typing
) -> Any:
    """Return the library's settings for a network that ``finish_network`` made.

    Raises:
        InputError: The timing cache is of another library or GPU.
    """
    theirs = builder.create_builder_config()
    apply_settings(trt, theirs, config, log)
    if typing == "weak":
        for flag in precision_flags(trt, network):
            theirs.set_flag(flag)
    if config.version_compatible:
        theirs.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if config.embed_plugin:
        theirs.plugins_to_serialize = [str(config.plugin)]
    _load_timing_cache(theirs, config)
    return theirs


def _load_plugins(trt: Any, logger: Any, config: BuildConfig) -> frozenset[str]:
    """Load NVIDIA's plugins and ours, and return the operators that ours bring."""
    trt.init_libnvinfer_plugins(logger, "")
    if config.plugin is None:
        return frozenset()
    registry = trt.get_plugin_registry()
    # A process can load it once; what asks again has it.
    if not _operators(registry) and registry.load_library(str(config.plugin)) is None:
        raise InputError(f"TensorRT {trt.__version__} does not load {config.plugin}")
    return _operators(registry)


def _operators(registry: Any) -> frozenset[str]:
    return frozenset(one.name for one in registry.all_creators if one.name in CONTRACTS)


def _load_timing_cache(theirs: Any, config: BuildConfig) -> None:
    path = config.timing_cache
    if path is None:
        return
    data = path.read_bytes() if path.exists() else b""
    empty = bytes(theirs.create_timing_cache(b"").serialize())
    cache = theirs.create_timing_cache(data)
    # Of what is no cache TensorRT makes an empty one without a word, and the file would be lost.
    is_one = not data or data[:_MAGIC_BYTES] == empty[:_MAGIC_BYTES]
    if not is_one or cache is None or not theirs.set_timing_cache(cache, ignore_mismatch=False):
        raise InputError(
            f"{path} is no timing cache of this TensorRT and this GPU",
            hint="name another file, which is then written",
        )


def _save_timing_cache(theirs: Any, config: BuildConfig) -> None:
    if config.timing_cache_output is not None:
        config.timing_cache_output.write_bytes(theirs.get_timing_cache().serialize())


def _no_gpu(builder: TensorRt) -> MissingError:
    return MissingError(
        f"{builder.title} builds on the GPU that the engine is for, and no GPU answers here",
        hint="build it on the board, or for an RTX GPU without one: --backend tensorrt-rtx",
    )


def _numbers(version: str) -> tuple[int, int]:
    major, minor, *_ = (int(part) for part in version.split(".")[:2])
    return major, minor
