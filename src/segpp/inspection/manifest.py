"""A manifest, read without torch and onnx: on a board too."""

from dataclasses import asdict
from pathlib import Path

from segpp.errors import InputError, ManifestError
from segpp.export.models.base import family_of
from segpp.export.models.macs import Macs
from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.sites import Site
from segpp.inspection.calibration import calibration_sections
from segpp.inspection.measured import measured_for, measured_sections
from segpp.inspection.proofs import proof_sections
from segpp.inspection.report import (
    Report,
    Section,
    facts,
    giga,
    listed,
    megabytes,
    patches_of,
    rows,
)
from segpp.manifest import (
    ChannelSite,
    Island,
    Manifest,
    OutputSpec,
    PluginInfo,
    ReductionSite,
    read_manifest,
)
from segpp.manifest.dataclass_json import encode
from segpp.ops.grid import Size
from segpp.utils.files import check_file, difference, manifest_path

__all__ = ["inspect_engine", "inspect_manifest", "manifest_sections", "read_beside"]

# What they are called here, and their key among the options.
_REWRITES = {"on": "rewrites", "off": "rewrites_off"}


def inspect_manifest(path: Path) -> Report:
    """Describe a manifest and, if it is there, compare its file with it.

    Raises:
        ManifestError: It is no manifest, or damaged.
    """
    target = path.with_name(path.name.removesuffix(".json"))
    manifest = read_manifest(target, verify=False)
    state, problems = _compare(target, manifest)
    return Report(
        name=str(path),
        says="the manifest of an " + {"onnx": "ONNX file", "engine": "engine"}[manifest.kind],
        sections=(facts("file", {manifest.file.name: state}), *manifest_sections(manifest)),
        data={
            "manifest": encode(manifest),
            "file_state": state,
            "macs": _macs_data(manifest),
            "measured": _measured_data(manifest),
        },
        problems=problems,
    )


def inspect_engine(path: Path) -> Report:
    """Describe an engine by the manifest beside it; nothing but the GPU's library can read it.

    Raises:
        ManifestError: It has no manifest, or a damaged one.
    """
    check_file(path, kind="engine")
    beside = manifest_path(path)
    if not beside.exists():
        raise ManifestError(
            f"{path} has no manifest beside it, and an engine does not tell what it is",
            hint="segpp-build-engine writes one when the ONNX file has one",
        )
    report = inspect_manifest(beside)
    return Report(str(path), "an engine", report.sections, report.data, report.problems)


def read_beside(path: Path) -> tuple[Manifest | None, str, tuple[str, ...]]:
    """Return the manifest beside a file if it is sound, its state in words, and what is wrong."""
    if not manifest_path(path).exists():
        return None, "none", ()
    try:
        manifest = read_manifest(path, verify=False)
    except ManifestError as failure:
        return None, "damaged", (str(failure),)
    state, problems = _compare(path, manifest)
    return manifest, state, problems


def manifest_sections(manifest: Manifest) -> tuple[Section, ...]:
    """Return what a manifest says, without the state of its file."""
    return (
        _network(manifest),
        _rewrites(manifest),
        _interface(manifest),
        _reduction(manifest),
        _channels(manifest),
        _matches(manifest),
        _macs(manifest),
        _engine(manifest),
        *measured_sections(manifest),
        *calibration_sections(manifest),
        _islands(manifest),
        *proof_sections(manifest),
    )


def _compare(path: Path, manifest: Manifest) -> tuple[str, tuple[str, ...]]:
    if not path.is_file():
        return "not here", ()
    if difference(path, manifest.file.bytes, manifest.file.sha256) is None:
        return f"here, and the one described ({megabytes(manifest.file.bytes)})", ()
    return "here, but another one than described", (
        f"{path} is not the file that its manifest describes (SHA-256 differs)",
    )


def _network(manifest: Manifest) -> Section:
    shape, tools = manifest.architecture, manifest.tools
    return facts(
        "network",
        {
            "architecture": shape.name,
            "patches": patches_of(shape),
            "widths": listed(shape.dims),
            "blocks": listed(shape.depths),
            "heads": listed(shape.heads),
            "decode head": f"{shape.head}, {shape.decoder} channels",
            "classes": f"{shape.classes}: {_shortened(manifest.classes.names)}",
            "precision": manifest.precision,
            "made from": f"{manifest.source.name} ({manifest.source.layout}, "
            f"SHA-256 {manifest.source.sha256[:16]}…)",
            "made with": ", ".join(
                [f"segpp {manifest.segpp}", *(f"{name} {tools[name]}" for name in sorted(tools))]
            ),
            "options": ", ".join(
                f"{key}={value}"
                for key, value in manifest.options.items()
                if key not in _REWRITES.values()
            ),
            "notes": "; ".join(manifest.notes),
        },
    )


def _rewrites(manifest: Manifest) -> Section:
    options = manifest.options
    return facts(
        "exact rewrites",
        {
            title: options[key].replace(" ", ", ")
            for title, key in _REWRITES.items()
            if key in options
        },
    )


def _interface(manifest: Manifest) -> Section:
    spec = manifest.input
    return facts(
        "input and output",
        {
            spec.name: f"({listed(spec.shape)}) {spec.dtype} {spec.layout}, {spec.colours}, "
            f"mean {_numbers(spec.mean)}, std {_numbers(spec.std)}",
            **{output.name: _output(output) for output in manifest.outputs},
        },
    )


def _output(output: OutputSpec) -> str:
    corners = ", align_corners" if output.align_corners else ""
    return f"({listed(output.shape)}) {output.dtype} {output.kind}{corners}"


def _told(site: ReductionSite) -> list[str]:
    # A later segpp may have other methods.
    if site.method in REDUCTIONS:
        return REDUCTIONS[site.method].told(site.settings)
    return [f"{key}={value}" for key, value in site.settings.items()]


def _reduction(manifest: Manifest) -> Section:
    cells = [["site", "method", "grid", "tokens in", "tokens out", "blocks a match"]]
    for site in manifest.reduction:
        settings = ",".join(_told(site))
        cells.append(
            [
                str(Site(site.stage, site.side)),
                f"{site.method}:{settings}",
                f"{site.grid[0]}x{site.grid[1]}",
                f"{site.tokens_in:,}",
                f"{site.tokens_out:,}",
                str(site.match_every) if site.match_of is None else f"of {site.match_of}",
            ]
        )
    if len(cells) == 1:
        return facts("token reduction", {"none": "every token is kept"})
    title = "token reduction, in every block of the stage"
    if any(site.side == "grid" for site in manifest.reduction):
        title += "; of a grid in those that first and every choose"
    return rows(title, cells, "lllrrr")


def _channels(manifest: Manifest) -> Section:
    cells = [["place", "method", "channels in", "channels out", "in groups", "chosen by"]]
    for site in manifest.channels:
        settings = ",".join(f"{key}={value}" for key, value in site.settings.items())
        cells.append(
            [
                f"{site.stage}.{site.part}",
                f"{site.method}:{settings}",
                f"{site.channels_in:,}",
                f"{site.channels_out:,}",
                str(site.groups),
                _chosen_by(site, len(manifest.channel_images)),
            ]
        )
    if not manifest.channels:
        return Section("channels", "")
    return rows("fewer channels, in every block of the stage", cells, "llrrrl")


def _chosen_by(site: ChannelSite, images: int) -> str:
    if site.kept:
        return f"{images} image(s), at the export"
    return "a trained predictor" if site.predictor else "each image's mean token"


def _matches(manifest: Manifest) -> Section:
    search = manifest.match_search
    if search is None:
        return Section("matches", "")
    cells = [["stage", "blocks a match", "as without merging"]]
    cells.append(["all", "1", f"{search.agreement_fresh:.5f}"])
    cells += [[str(t.stage), str(t.match_every), f"{t.agreement:.5f}"] for t in search.trials]
    cells.append(["all", "as above", f"{search.agreement:.5f}"])
    title = (
        f"matches used again, measured on {search.images} image(s), {search.tolerance:g} to lose"
    )
    return rows(title, cells, "lrr")


def _macs_of(manifest: Manifest) -> tuple[Macs, Macs] | None:
    """Return the multiply-accumulates with and without the reduction, if they can be told."""
    size = Size(manifest.input.height, manifest.input.width)
    try:
        shape = manifest.architecture
        family = family_of(shape)
        family.check_size(size)
        smaller = family.macs(shape, size, manifest.reduction, manifest.channels)
        return smaller, family.macs(shape, size, ())
    except (InputError, LookupError, ValueError, ArithmeticError):
        # A manifest is read from outside: one without an architecture has no counts.
        return None


def _macs(manifest: Manifest) -> Section:
    counts = _macs_of(manifest)
    if counts is None:
        return Section("multiply-accumulates", "")
    merged, whole = counts
    share = f", {merged.total / whole.total:.1%} of those without reduction"
    return facts(
        "multiply-accumulates per image before exact rewrites, in billions",
        {
            **{f"stage {i}": giga(s.total) for i, s in enumerate(merged.stages, start=1)},
            "head": giga(merged.head.total),
            "total": giga(merged.total)
            + (share if manifest.reduction or manifest.channels else ""),
        },
    )


def _macs_data(manifest: Manifest) -> dict[str, int] | None:
    counts = _macs_of(manifest)
    if counts is None:
        return None
    return {"total": counts[0].total, "without_reduction": counts[1].total}


def _measured_data(manifest: Manifest) -> dict[str, object] | None:
    found = measured_for(manifest)
    return None if found is None else asdict(found)


def _engine(manifest: Manifest) -> Section:
    engine = manifest.engine
    if engine is None:
        return Section("engine", "")
    return facts(
        "engine",
        {
            "library": f"{engine.library} {engine.version}",
            "built for": f"compute capability {', '.join(engine.compute_capabilities)}",
            "typing": engine.typing,
            "layers": engine.layers,
            "plugins": _counted(engine.plugins),
            "plugin library": _plugin_library(engine.plugin_library),
            "standard operators for": _counted(engine.functions),
            "attention sites": f"{engine.attention_found} of {engine.attention_expected} "
            "recognised",
            "activation memory": _memory(engine.activation_bytes),
            "weight memory": _memory(engine.weight_bytes),
            "build time": f"{engine.build_seconds:.1f} s",
            "state": "has run" if engine.ran else "built, not run",
            "warnings": "; ".join(engine.warnings),
        },
    )


def _counted(operators: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in operators.items())


def _plugin_library(one: PluginInfo | None) -> str:
    if one is None:
        return ""
    return (
        f"{one.name} {one.version} for TensorRT {one.tensorrt}, SHA-256 {one.sha256[:16]}…"
        f"{', in the engine' if one.embedded else ''}"
    )


def _memory(count: int | None) -> str:
    return "" if count is None else megabytes(count)


def _islands(manifest: Manifest) -> Section:
    if manifest.islands:
        told = {one.value: _island(one) for one in manifest.islands}
        return facts(f"islands in FP32, {len(manifest.islands)}", told)
    if manifest.precision != "fp16":
        return Section("islands", "")
    if manifest.parity is None and manifest.kind == "onnx":
        return facts("islands", {"unknown": "nobody looked at ranges (--no-check)"})
    return facts("islands", {"none": "no value came near to the limit of FP16"})


def _island(one: Island) -> str:
    place = f"{one.place}: " if one.place else ""
    return (
        f"{place}up to {one.largest:,.0f}, above the limit of {one.limit:,.0f}; "
        f"{len(one.nodes)} node(s): {', '.join(one.nodes)}"
    )


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _shortened(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown}, …"  # noqa: PLR2004 - about a line
