"""ONNX to engine: what all engine libraries share."""

import logging
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from segpp import __version__
from segpp.errors import InputError, MissingError
from segpp.utils.files import check_writable, sha256_of, manifest_path, atomic_write
from segpp.manifest import (
    EngineInfo,
    FileInfo,
    Manifest,
    Source,
    read_manifest,
    render_manifest,
)
from segpp.utils.choices import check_choice
from segpp.runtime.build.log import LogFacts, Record, read_facts
from segpp.runtime.build.worker import build_apart
from segpp.runtime.build.builders import BUILDERS, BuildJob, EngineBuilder
from segpp.runtime.system.gpu import gpu_compute_capability
from segpp.utils.onnx_file import check_onnx

__all__ = ["BuildReport", "BuildRequest", "build_engine", "choose_engine"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

    Args:
        source: The ONNX file.
        target: The engine to write; its manifest goes beside it.
        engine: An engine library, or "auto".
        compute_capabilities: The GPUs to build for ("8.9"); empty for the library's default.
        workspace: Most scratch memory that a layer may use, in bytes; None for the library's own.
    """

    source: Path
    target: Path
    engine: str = "auto"
    compute_capabilities: tuple[str, ...] = ()
    workspace: int | None = None


@dataclass(frozen=True)
class BuildReport:
    """What came out of a build; memory and sizes in bytes.

    ``attention_expected`` is None where no manifest tells how many sites there are.
    """

    source: str
    target: str
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


def build_engine(request: BuildRequest) -> BuildReport:
    """Build an engine and write it with its manifest, both or neither.

    Without a manifest beside the ONNX file the engine gets none either.

    Raises:
        GraphError: The file is no ONNX file, or the library refused it.
        InputError: An argument is wrong.
        ManifestError: The manifest beside the ONNX file is damaged or about another file.
        MissingError: The engine library is not installed, or does not load.
        OutputError: The engine cannot be written.
    """
    name = choose_engine(request.engine)
    manifest = _read_source(request)
    library = _load(name)
    job = BuildJob(
        source=request.source.absolute(),
        target=request.target.absolute(),
        compute_capabilities=library.targets(request.compute_capabilities),
        workspace=request.workspace,
    )
    with atomic_write(*_outputs(request.target, manifest)) as parts:
        start = time.monotonic()
        records = build_apart(name, replace(job, target=parts[0].absolute()), request.source.name)
        seconds = time.monotonic() - start
        _tell(records)
        report = _report(
            request,
            job,
            read_facts(records),
            library=library,
            manifest=manifest,
            seconds=seconds,
            size=parts[0].stat().st_size,
        )
        if manifest:
            made = _engine_manifest(manifest, request, report, name, parts[0])
            parts[1].write_text(render_manifest(made), encoding="utf-8")
    if manifest is None:
        # That of an engine which is no longer there.
        manifest_path(request.target).unlink(missing_ok=True)
    return report


def choose_engine(name: str) -> str:
    """Return the engine library to use: ``name``, or for "auto" the first that is installed.

    Raises:
        InputError: No such library is known.
        MissingError: It is not installed, or for "auto" none is.
    """
    check_choice(name, ["auto", *BUILDERS], kind="engine library")
    if name == "auto":
        if here := [known for known in BUILDERS if find_spec(BUILDERS[known].module)]:
            return here[0]
        extras = " or ".join(f"pip install 'segpp[{BUILDERS[known].extra}]'" for known in BUILDERS)
        raise MissingError("no engine library is installed", hint=extras)
    library = BUILDERS[name]
    if find_spec(library.module) is None:
        raise MissingError(
            f"{library.title} is not installed", hint=f"pip install 'segpp[{library.extra}]'"
        )
    return name


def _load(name: str) -> EngineBuilder:
    library = BUILDERS[name]()
    try:
        library.version()
    except ImportError as failure:
        raise MissingError(
            f"{library.title} is installed and does not load", str(failure)
        ) from failure
    return library


def _read_source(request: BuildRequest) -> Manifest | None:
    source, target = request.source, request.target
    check_onnx(source)
    if target.exists() and target.samefile(source):
        raise InputError(f"the engine would overwrite its source {source}")
    check_writable(target)
    if not manifest_path(source).exists():
        return None
    manifest = read_manifest(source)
    if manifest.kind != "onnx":
        raise InputError(f"{source} is not an ONNX file but an {manifest.kind}")
    return manifest


def _outputs(target: Path, manifest: Manifest | None) -> tuple[Path, ...]:
    return (target, manifest_path(target)) if manifest else (target,)


def _report(
    request: BuildRequest,
    job: BuildJob,
    facts: LogFacts,
    *,
    library: EngineBuilder,
    manifest: Manifest | None,
    seconds: float,
    size: int,
) -> BuildReport:
    return BuildReport(
        source=request.source.name,
        target=request.target.name,
        library=library.title,
        version=library.version(),
        compute_capabilities=job.compute_capabilities,
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
    source: Manifest, request: BuildRequest, report: BuildReport, name: str, engine: Path
) -> Manifest:
    return replace(
        source,
        kind="engine",
        segpp=__version__,
        file=FileInfo(request.target.name, sha256_of(engine), report.engine_bytes),
        source=Source(request.source.name, source.file.sha256, layout="onnx"),
        tools={**source.tools, name: report.version},
        # Measured on the ONNX file; an engine that has not run has none.
        parity=None,
        engine=EngineInfo(
            library=name,
            version=report.version,
            compute_capabilities=report.compute_capabilities,
            layers=report.layers,
            attention_found=report.attention_found,
            attention_expected=sum(source.architecture.depths),
            activation_bytes=report.activation_bytes,
            weight_bytes=report.weight_bytes,
            build_seconds=report.build_seconds,
            ran=report.ran,
        ),
    )


def _tell(records: tuple[Record, ...]) -> None:
    for record in records:
        if record.severity != "VERBOSE":
            _LOG.info("%s: %s", record.severity.lower(), record.text)
