"""ONNX to engine: what all engine builders share."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from segpp.certificate.sealed import read_certificate, remove_certificate
from segpp.errors import CheckError, InputError, OutputError
from segpp.images.channels import load_channels, load_for
from segpp.manifest import FileInfo, Manifest, read_manifest, render_manifest
from segpp.runtime.build.builders import BuildConfig
from segpp.runtime.build.check_target import check_target
from segpp.runtime.build.choose_builder import Resolved, resolve, resolve_builder
from segpp.runtime.build.log import LogRecord, read_facts
from segpp.runtime.build.network import NETWORK, NetworkFacts, parse_facts
from segpp.runtime.build.progress import PROGRESS, parse_progress
from segpp.runtime.build.report import BuildReport, engine_manifest, make_report
from segpp.runtime.build.worker import build_in_subprocess
from segpp.runtime.onnx_reader.external_data import check_model
from segpp.runtime.verification.engine_gate import (
    GateConfig,
    certified_engine,
    first_block,
    has_certificate,
)
from segpp.utils.file_type import ENGINE_SUFFIXES
from segpp.utils.files import (
    atomic_write,
    certificate_path,
    check_writable,
    manifest_path,
    sha256_of,
)
from segpp.utils.overwrite import check_distinct, check_output_file, is_own

__all__ = [
    "BuildConfig",
    "BuildReport",
    "GateConfig",
    "Progress",
    "build_engine",
    "resolve_builder",
]

_LOG = logging.getLogger(__name__)

_NO_MORE = GateConfig()

# Takes the share of the build that is done, 0 to 1, and what is being done.
Progress = Callable[[float, str], object]


def build_engine(
    config: BuildConfig, *, progress: Progress | None = None, gate: GateConfig = _NO_MORE
) -> BuildReport:
    """Build an engine and write it with its manifest and certificate, all or none.

    Without a manifest beside the ONNX file the engine gets none either, nor a certificate without
    one. A dry run writes nothing.

    Raises:
        CheckError: The engine runs here, and gives other masks than its file.
        GraphError: The file is no ONNX file, or the builder refused it.
        ImageError: A picture to compare on cannot be read.
        InputError: An argument is wrong, or the builder cannot honour it.
        ManifestError: The manifest beside the ONNX file is damaged or about another file.
        MissingError: The builder is not installed, does not load, or lacks a GPU.
        OutputError: The engine cannot be written.
    """
    # 1. Find out all that can be found out before the long work.
    resolved = resolve(config)
    manifest = _check_files(resolved.config)
    _check_images(gate, manifest)
    if config.dry_run:
        return _build(resolved, manifest, None, progress)[0]
    with atomic_write(*_outputs(resolved.config, manifest)) as parts:
        # 2. Build under a temporary name.
        report, network = _build(resolved, manifest, parts, progress)
        # 3. Write the facts down beside the engine.
        if manifest:
            file = FileInfo(config.output.name, sha256_of(parts[0]), parts[0].stat().st_size)
            written = engine_manifest(manifest, resolved, network, report, file)
            # 4. Run it, where that can be done.
            bisect = partial(first_block, config.onnx, written, partial(_build_marked, resolved))
            certified = certified_engine(written, config.onnx, parts[0], gate, bisect)
            if certified.archive is not None:
                parts[2].write_bytes(certified.archive)
            parts[1].write_text(render_manifest(certified.manifest), encoding="utf-8")
            report = replace(report, ran=certified.ran, certified=certified.archive is not None)
    if manifest is None:
        _remove_manifest(config.output)
    if not has_certificate(config.onnx, manifest):
        remove_certificate(config.output)
    return replace(report, warnings=(*report.warnings, *_unproved(config, manifest, report, gate)))


def _unproved(
    config: BuildConfig, manifest: Manifest | None, report: BuildReport, gate: GateConfig
) -> Iterator[str]:
    """Yield what of the engine's proof is missing."""
    if manifest is None:
        yield (
            f"{config.onnx.name} has no manifest beside it, so its engine has none, and segpp runs "
            f"such an engine with `trust` alone: copy {manifest_path(config.onnx).name} along"
        )
    if gate.images and not report.ran:
        # Who asks for a comparison and hears nothing takes it for one that was passed.
        yield f"not compared on your {len(gate.images)} picture(s): the engine has not run here"


def _check_images(gate: GateConfig, manifest: Manifest | None) -> None:
    """Raise ImageError for a picture that could not be compared on after minutes of work."""
    for path in gate.images:
        if manifest:
            load_for(path, manifest.input)
        else:
            load_channels(path)


def _build_marked(resolved: Resolved, onnx: Path, output: Path) -> None:
    """Build another engine with the settings of one, to look into it."""
    own = replace(resolved.config, onnx=onnx, output=output)
    own = replace(own, timing_cache=None, timing_cache_output=None)
    build_in_subprocess(own, onnx.name, on_record=_listener(None))


def _build(
    resolved: Resolved,
    manifest: Manifest | None,
    parts: tuple[Path, ...] | None,
    progress: Progress | None,
) -> tuple[BuildReport, NetworkFacts]:
    """Let the library work, and return what it told."""
    config, start = resolved.config, time.monotonic()
    own = replace(config, onnx=config.onnx.absolute())
    if parts is not None:
        own = replace(own, output=parts[0].absolute())
        if config.timing_cache is not None:
            cache, part = config.timing_cache.absolute(), parts[-1].absolute()
            own = replace(own, timing_cache=cache, timing_cache_output=part)
    records = build_in_subprocess(own, config.onnx.name, on_record=_listener(progress))
    report = make_report(
        resolved,
        network := _network_of(records),
        read_facts(records),
        manifest=manifest,
        seconds=time.monotonic() - start,
        size=parts[0].stat().st_size if parts else None,
    )
    return report, network


def _listener(progress: Progress | None) -> Callable[[LogRecord], None]:
    def listen(record: LogRecord) -> None:
        if record.severity == PROGRESS:
            if progress is not None:
                progress(*parse_progress(record.text))
        elif record.severity != NETWORK:
            verbose = record.severity == "VERBOSE"
            level = logging.DEBUG if verbose else logging.INFO
            _LOG.log(level, "%s: %s", record.severity.lower(), record.text)

    return listen


def _network_of(records: tuple[LogRecord, ...]) -> NetworkFacts:
    for record in records:
        if record.severity == NETWORK:
            return parse_facts(record.text)
    raise CheckError("the engine builder did not tell what it built")


def _remove_manifest(engine: Path) -> None:
    """Remove the manifest of an engine that is no longer there; what is no manifest stays."""
    beside = manifest_path(engine)
    if beside.is_file() and is_own(beside, "manifest"):
        beside.unlink()


def _check_files(config: BuildConfig) -> Manifest | None:
    """Check what is read and what is written, and return the manifest of what is read."""
    onnx, output = config.onnx, config.output
    check_model(onnx)
    if not config.dry_run:
        check_output_file(output, "engine", inputs=_read(config), force=config.force)
    _check_name(output)
    manifest = read_manifest(onnx) if manifest_path(onnx).exists() else None
    check_target(onnx, manifest)
    if manifest is not None and manifest.certificate is not None:
        # What its engine will be held to, now or at its first load: missing or damaged is told now.
        read_certificate(onnx)
    if manifest is not None and manifest.kind != "onnx":
        raise InputError(f"{onnx} is not an ONNX file but an {manifest.kind}")
    if not config.dry_run:
        _check_beside(config, manifest)
    return manifest


def _check_name(output: Path) -> None:
    if output.suffix.lower() not in ENGINE_SUFFIXES:
        # Nothing in an engine tells what it is: under another name no command would know it.
        raise OutputError(
            f"{output} does not end as an engine does",
            f"known are: {', '.join(sorted(ENGINE_SUFFIXES))}",
            hint=f"name it {output.with_suffix('.engine').name}",
        )


def _check_beside(config: BuildConfig, manifest: Manifest | None) -> None:
    """Check what is written besides the engine."""
    if manifest is not None:
        beside = manifest_path(config.output)
        check_output_file(beside, "manifest", inputs=_read(config), force=config.force)
        proof = certificate_path(config.output)
        check_output_file(proof, "certificate", inputs=_read(config), force=config.force)
    if config.timing_cache is not None:
        check_distinct([*_outputs_named(config), *_read(config), config.timing_cache])
        check_writable(config.timing_cache)


def _read(config: BuildConfig) -> tuple[Path, ...]:
    plugin = () if config.plugin is None else (config.plugin,)
    return (config.onnx, manifest_path(config.onnx), *plugin)


def _outputs_named(config: BuildConfig) -> tuple[Path, ...]:
    return (config.output, manifest_path(config.output))


def _outputs(config: BuildConfig, manifest: Manifest | None) -> tuple[Path, ...]:
    engine = _outputs_named(config)[: 2 if manifest else 1]
    if has_certificate(config.onnx, manifest):
        engine = (*engine, certificate_path(config.output))
    return engine if config.timing_cache is None else (*engine, config.timing_cache)
