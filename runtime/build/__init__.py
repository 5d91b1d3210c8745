"""ONNX to engine: what all engine builders share."""

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

from segpp import __version__
from segpp.errors import InputError, MissingError, OutputError
from segpp.manifest import (
    EngineInfo,
    FileInfo,
    Manifest,
    Source,
    read_manifest,
    render_manifest,
)
from segpp.runtime.build.builders import BUILDERS, BuildConfig, EngineBuilder
from segpp.runtime.build.check_target import check_target
from segpp.runtime.build.log import LogFacts, LogRecord, read_facts
from segpp.runtime.build.worker import build_in_subprocess
from segpp.runtime.onnx_reader.external_data import check_model
from segpp.runtime.system.gpu import gpu_compute_capability
from segpp.runtime.system.packages import is_installed
from segpp.utils.choices import check_choice
from segpp.utils.file_type import ENGINE_SUFFIXES
from segpp.utils.files import atomic_write, manifest_path, sha256_of
from segpp.utils.overwrite import check_output_file, is_own

__all__ = ["BuildConfig", "BuildReport", "build_engine", "resolve_builder"]

_LOG = logging.getLogger(__name__)



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
        attention_found: Attention sites that the compiler recognised.
        attention_expected: How many there are; None where no manifest tells.
        activation_bytes: Memory for activations, scratch included.
        weight_bytes: Memory for weights.
        engine_bytes: The file's size.
        build_seconds: Wall time of the build.
        ran: Whether the engine has run here.
        gpu: Compute capability of this machine's GPU, None without one.
    """

    input: str
    output: str
    library: str
    version: str
    compute_capabilities: tuple[str, ...]
    layers: int
    attention_found: int
    attention_expected: int | None
    activation_bytes: int
    weight_bytes: int
    engine_bytes: int
    build_seconds: float
    ran: bool
    gpu: str | None


def build_engine(config: BuildConfig) -> BuildReport:
    """Build an engine and write it with its manifest, both or neither.

    Without a manifest beside the ONNX file the engine gets none either.

    Raises:
        GraphError: The file is no ONNX file, or the builder refused it.
        InputError: An argument is wrong.
        ManifestError: The manifest beside the ONNX file is damaged or about another file.
        MissingError: The builder is not installed, or does not load.
        OutputError: The engine cannot be written.
    """
    # 1. Find out all that can be found out before the long work.
    config, builder = _resolve(config)
    manifest = _check_files(config)
    with atomic_write(*_outputs(config.output, manifest)) as parts:
        # 2. Build under a temporary name.
        start = time.monotonic()
        into_part = replace(config, onnx=config.onnx.absolute(), output=parts[0].absolute())
        records = build_in_subprocess(into_part, config.onnx.name)
        seconds = time.monotonic() - start
        _log_messages(records)
        # 3. Read the facts off the log, and write them down beside the engine.
        facts, size = read_facts(records), parts[0].stat().st_size
        report = _report(config, builder, facts, manifest=manifest, seconds=seconds, size=size)
        if manifest:
            engine_manifest = _engine_manifest(manifest, config, report, parts[0])
            parts[1].write_text(render_manifest(engine_manifest), encoding="utf-8")
    if manifest is None:
        _remove_manifest(config.output)
    return report


def _remove_manifest(engine: Path) -> None:
    """Remove the manifest of an engine that is no longer there; what is no manifest stays."""
    beside = manifest_path(engine)
    if beside.is_file() and is_own(beside, "manifest"):
        beside.unlink()


def resolve_builder(name: str) -> str:
    """Return the builder to use: ``name``, or for "auto" the first that is installed.

    Raises:
        InputError: No such builder is known.
        MissingError: It is not installed, or for "auto" none is.
    """
    check_choice(name, ["auto", *BUILDERS], kind="engine builder")
    if name == "auto":
        installed = [known for known, builder in BUILDERS.items() if is_installed(builder.module)]
        if installed:
            return installed[0]
        commands = [f"pip install 'segpp[{builder.extra}]'" for builder in BUILDERS.values()]
        raise MissingError("no engine builder is installed", hint=" or ".join(commands))
    builder = BUILDERS[name]
    if not is_installed(builder.module):
        raise MissingError(
            f"{builder.title} is not installed", hint=f"pip install 'segpp[{builder.extra}]'"
        )
    return name


def _resolve(config: BuildConfig) -> tuple[BuildConfig, EngineBuilder]:
    """Return the config without anything "auto", and the builder that it names."""
    name = resolve_builder(config.builder)
    builder = _load(name)
    capabilities = builder.compute_capabilities(config.compute_capabilities)
    return replace(config, builder=name, compute_capabilities=capabilities), builder


def _load(name: str) -> EngineBuilder:
    builder = BUILDERS[name]()
    try:
        builder.version()
    except ImportError as failure:
        raise MissingError(
            f"{builder.title} is installed and does not load", str(failure)
        ) from failure
    return builder


def _check_files(config: BuildConfig) -> Manifest | None:
    """Check what is read and what is written, and return the manifest of what is read."""
    onnx, output = config.onnx, config.output
    check_model(onnx)
    read = (onnx, manifest_path(onnx))
    check_output_file(output, "engine", inputs=read, force=config.force)
    if output.suffix.lower() not in ENGINE_SUFFIXES:
        # Nothing in an engine tells what it is: under another name no command would know it.
        raise OutputError(
            f"{output} does not end as an engine does",
            f"known are: {', '.join(sorted(ENGINE_SUFFIXES))}",
            hint=f"name it {output.with_suffix('.engine').name}",
        )
    manifest = read_manifest(onnx) if manifest_path(onnx).exists() else None
    check_target(onnx, manifest)
    if manifest is None:
        return None
    check_output_file(manifest_path(output), "manifest", inputs=read, force=config.force)
    if manifest.kind != "onnx":
        raise InputError(f"{onnx} is not an ONNX file but an {manifest.kind}")
    return manifest


def _outputs(engine: Path, manifest: Manifest | None) -> tuple[Path, ...]:
    return (engine, manifest_path(engine)) if manifest else (engine,)


def _report(
    config: BuildConfig,
    builder: EngineBuilder,
    facts: LogFacts,
    *,
    manifest: Manifest | None,
    seconds: float,
    size: int,
) -> BuildReport:
    return BuildReport(
        input=config.onnx.name,
        output=config.output.name,
        library=builder.title,
        version=builder.version(),
        compute_capabilities=config.compute_capabilities,
        layers=facts.layers,
        attention_found=facts.attention,
        attention_expected=sum(manifest.architecture.depths) if manifest else None,
        activation_bytes=facts.activation_bytes,
        weight_bytes=facts.weight_bytes,
        engine_bytes=size,
        build_seconds=round(seconds, 2),
        ran=False,
        gpu=gpu_compute_capability(),
    )


def _engine_manifest(
    onnx_manifest: Manifest, config: BuildConfig, report: BuildReport, engine: Path
) -> Manifest:
    return replace(
        onnx_manifest,
        kind="engine",
        segpp=__version__,
        file=FileInfo(config.output.name, sha256_of(engine), report.engine_bytes),
        source=Source(config.onnx.name, onnx_manifest.file.sha256, layout="onnx"),
        tools={**onnx_manifest.tools, config.builder: report.version},
        # Measured on the ONNX file; an engine that has not run has none.
        parity=None,
        engine=EngineInfo(
            library=config.builder,
            version=report.version,
            compute_capabilities=report.compute_capabilities,
            layers=report.layers,
            attention_found=report.attention_found,
            attention_expected=sum(onnx_manifest.architecture.depths),
            activation_bytes=report.activation_bytes,
            weight_bytes=report.weight_bytes,
            build_seconds=report.build_seconds,
            ran=report.ran,
        ),
    )


def _log_messages(records: tuple[LogRecord, ...]) -> None:
    for record in records:
        if record.severity != "VERBOSE":
            _LOG.info("%s: %s", record.severity.lower(), record.text)
