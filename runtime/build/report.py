"""What came out of a build: for the screen, for ``--json``, and for the engine's manifest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from segpp import __version__
from segpp.manifest import EngineInfo, FileInfo, Manifest, PluginInfo, Source
from segpp.runtime.build.attention import lost_sites
from segpp.runtime.build.choose_builder import Resolved
from segpp.runtime.build.log import LogFacts
from segpp.runtime.build.network import NetworkFacts, Typing
from segpp.runtime.system.gpu import gpu_compute_capability

__all__ = ["BuildReport", "engine_manifest", "make_report"]

_FEW = 4


@dataclass(frozen=True)
class BuildReport:
    """What came out of a build; memory and sizes in bytes. The fields are the keys of ``--json``.

    Args:
        input: The ONNX file, without folders.
        output: The engine, without folders.
        library: What the builder's maker calls it.
        version: The builder's.
        compute_capabilities: The GPUs that it is for ("8.9").
        layers: Of the network, before fusion.
        attention_found: Attention sites that the compiler recognised; None before it ran.
        attention_expected: How many there are; None where no manifest tells.
        attention_fused: Those recognised in a type that there are fused kernels for.
        activation_bytes: Memory for activations, scratch included; None where it was not told.
        weight_bytes: Memory for weights, likewise.
        engine_bytes: The file's size; None of a dry run.
        build_seconds: Wall time of the build.
        ran: Whether the engine has run here.
        certified: Whether it has a certificate, to be held to here or at its first load.
        gpu: Compute capability of this machine's GPU, None without one.
        built: Whether there is an engine; not after a dry run.
        typing: ``strong`` where every tensor has the type that the file gives it, ``weak`` where
            the library chooses.
        plugins: How many nodes of each operator of ours are plugins.
        functions: How many are compiled from standard operators instead.
        function_layers: How many standard operators those are.
        plugin_library: Which plugins; None where none were loaded.
        problems: What keeps the file from being built; a build that has one fails.
        warnings: What is worse than it could be, each with its cause.
    """

    input: str
    output: str
    library: str
    version: str
    compute_capabilities: tuple[str, ...]
    layers: int
    attention_found: int | None
    attention_expected: int | None
    activation_bytes: int | None
    weight_bytes: int | None
    engine_bytes: int | None
    build_seconds: float
    ran: bool
    gpu: str | None
    attention_fused: int | None
    built: bool
    typing: Typing
    plugins: dict[str, int]
    functions: dict[str, int]
    function_layers: int
    plugin_library: PluginInfo | None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    certified: bool = False


def make_report(
    resolved: Resolved,
    network: NetworkFacts,
    log: LogFacts,
    *,
    manifest: Manifest | None,
    seconds: float,
    size: int | None,
) -> BuildReport:
    """Return the report of a build.

    Args:
        resolved: What was built.
        network: What the parser made of the file.
        log: What the compiler told.
        manifest: Of the ONNX file.
        seconds: How long it took.
        size: Of the engine; None of a dry run.
    """
    config, builder = resolved.config, resolved.builder
    recognized = None if size is None else log.attention
    found = [site for site in network.sites if site.is_whole and site.names <= log.attention]
    return BuildReport(
        input=config.onnx.name,
        output=config.output.name,
        library=builder.title,
        version=builder.version(),
        compute_capabilities=config.compute_capabilities,
        layers=network.layers,
        attention_found=None if recognized is None else len(found),
        attention_expected=manifest.architecture.attentions if manifest else None,
        attention_fused=None if recognized is None else sum(site.is_half for site in found),
        activation_bytes=log.activation_bytes,
        weight_bytes=log.weight_bytes,
        engine_bytes=size,
        build_seconds=round(seconds, 2),
        ran=False,
        gpu=gpu_compute_capability(),
        built=size is not None,
        typing=network.typing,
        plugins=network.plugins,
        functions=network.functions,
        function_layers=network.function_layers,
        plugin_library=_plugin_info(resolved),
        problems=network.problems,
        warnings=tuple(_warnings(resolved, network, recognized, manifest)),
    )


def _plugin_info(resolved: Resolved) -> PluginInfo | None:
    one = resolved.plugin
    if one is None:
        return None
    embedded = resolved.config.embed_plugin
    return PluginInfo(one.path.name, one.sha256, one.version, one.tensorrt, embedded)


def _warnings(
    resolved: Resolved,
    network: NetworkFacts,
    recognized: frozenset[str] | None,
    manifest: Manifest | None,
) -> Iterator[str]:
    yield from network.warnings
    yield from _missed_plugins(resolved, network)
    yield from _lost_attention(network, recognized, manifest)


def _missed_plugins(resolved: Resolved, network: NetworkFacts) -> Iterator[str]:
    # A library that takes none, or a user that wants none, is told in the report alone.
    if not resolved.builder.takes_plugins or not network.functions:
        return
    missed = dict(network.functions)
    if network.typing == "weak" and resolved.plugin is not None:
        missed.pop("SegppResizeArgmax", None)  # told with the type of the labels
    if not missed:
        return
    cause = (
        f"{resolved.plugin.path.name} does not have them"
        if resolved.plugin
        else "no plugin library was loaded"
    )
    yield (
        f"{counted(missed)} are compiled from standard operators, {network.function_layers:,} "
        f"instead of {sum(missed.values())}: {cause}"
    )


def _lost_attention(
    network: NetworkFacts, recognized: frozenset[str] | None, manifest: Manifest | None
) -> Iterator[str]:
    expected = manifest.architecture.attentions if manifest else None
    whole = sum(site.is_whole for site in network.sites)
    if expected is not None and whole < expected:
        yield (
            f"{whole} of {expected} attention sites are a product, a softmax and a product: the "
            "others are written in a way that no compiler fuses"
        )
    # In FP32 none is fused, which the report tells in one line.
    if not any(site.is_half for site in network.sites):
        return
    told = recognized or frozenset()
    fused = sum(site.is_whole and site.is_half and site.names <= told for site in network.sites)
    # A softmax beyond those that are expected is no attention: the head of an EoMT has one over the
    # classes of its queries.
    if expected is not None and fused >= expected:
        return
    lost = list(lost_sites(network.sites, recognized))
    for softmax, cause in lost[:_FEW]:
        yield f"the attention at {softmax} is not one kernel: {cause}"
    if len(lost) > _FEW:
        yield f"so are {len(lost) - _FEW} more attention sites"


def counted(operators: Mapping[str, int]) -> str:
    """Return the operators with their numbers: "SegppTokenMatch 8, SegppTokenMerge 8"."""
    return ", ".join(f"{name} {count}" for name, count in operators.items())


def engine_manifest(
    onnx: Manifest, resolved: Resolved, network: NetworkFacts, report: BuildReport, file: FileInfo
) -> Manifest:
    """Return the manifest of an engine.

    Args:
        onnx: The manifest of the file that it was built of.
        resolved: What was built.
        network: What the parser made of the file, whose outputs are the engine's.
        report: Of the build.
        file: The engine.
    """
    config = resolved.config
    outputs = tuple(
        replace(one, dtype="int32") if network.outputs.get(one.name) == "INT32" else one
        for one in onnx.outputs
    )
    return replace(
        onnx,
        kind="engine",
        segpp=__version__,
        file=file,
        source=Source(config.onnx.name, onnx.file.sha256, layout="onnx"),
        tools={**onnx.tools, config.builder: report.version},
        outputs=outputs,
        # Measured on the ONNX file; an engine that has not run has none.
        parity=None,
        engine=_engine_info(
            config.builder, onnx, report, version_compatible=config.version_compatible
        ),
    )


def _engine_info(
    library: str, onnx: Manifest, report: BuildReport, *, version_compatible: bool
) -> EngineInfo:
    return EngineInfo(
        library=library,
        version=report.version,
        compute_capabilities=report.compute_capabilities,
        layers=report.layers,
        attention_found=report.attention_found or 0,
        attention_expected=onnx.architecture.attentions,
        activation_bytes=report.activation_bytes,
        weight_bytes=report.weight_bytes,
        build_seconds=report.build_seconds,
        ran=report.ran,
        attention_fused=report.attention_fused,
        typing=report.typing,
        plugins=report.plugins,
        functions=report.functions,
        plugin_library=report.plugin_library,
        version_compatible=version_compatible,
        warnings=report.warnings,
    )
