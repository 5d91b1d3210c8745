"""``segpp-build-engine``: the command."""

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

import segpp
from segpp.cli._options.arguments import add_force_argument, add_json_argument, in_flags
from segpp.errors import InputError
from segpp.manifest import read_manifest
from segpp.runtime.backends.engine.picture_path import picture_path_note
from segpp.runtime.build import BuildReport
from segpp.runtime.build.builders import BUILDERS
from segpp.utils.files import manifest_path
from segpp.utils.progress import step
from segpp.utils.terminal import one_line

__all__ = ["EXAMPLES", "GROUP", "ORDER", "RENAMED", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Compile an ONNX file to an engine for a GPU."
GROUP = "make a model smaller"
ORDER = 5

# What flags were called before, and what they are called now.
RENAMED = {
    "--engine": "--backend",
}

EXAMPLES = (
    "segpp-build-engine b0.onnx b0.engine",
    "segpp-build-engine b0.onnx b0.engine --compute-capability 8.6,8.9,12.0",
    "segpp-build-engine b0.onnx b0.engine --dry-run",
    "segpp-build-engine b0.onnx b0.engine --backend tensorrt --timing-cache b0.cache",
)

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    files = parser.add_argument_group("files")
    files.add_argument("onnx", metavar="MODEL.onnx", type=Path, help="file to compile")
    files.add_argument(
        "output",
        metavar="MODEL.engine",
        type=Path,
        help="file to write; its manifest goes beside it",
    )
    add_force_argument(files)
    build = parser.add_argument_group("build")
    build.add_argument(
        "--backend",
        metavar="NAME",
        default="auto",
        help=f"library that builds it: auto, {', '.join(BUILDERS)} (default: auto)",
    )
    build.add_argument(
        "--compute-capability",
        metavar="X.Y,…",
        default="",
        help="GPUs to build for (default: this machine's; without a GPU all from 8.0 on that "
        "the library knows)",
    )
    build.add_argument(
        "--workspace",
        metavar="SIZE",
        help="most scratch memory a layer may use, as 512M or 2G (default: the library's)",
    )
    build.add_argument(
        "--dry-run", action="store_true", help="parse and report only; nothing is built or written"
    )
    _add_tensorrt_arguments(
        parser.add_argument_group("tensorrt (tensorrt-rtx has no use for them)")
    )
    _add_gate_arguments(parser.add_argument_group("what it must give, where it can run"))
    add_json_argument(parser.add_argument_group("results"), "the report")


def _add_gate_arguments(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--images",
        metavar="FILE",
        nargs="+",
        type=Path,
        default=[],
        help="where it runs here, compare it with ONNX Runtime on these too, besides the "
        "certificate's pictures",
    )
    group.add_argument(
        "--min-agreement",
        metavar="X",
        type=float,
        help="share of their pixels that must keep their class (default: by precision, 0.999 to "
        "0.97)",
    )
    group.add_argument(
        "--min-miou",
        metavar="X",
        type=float,
        help="mIoU of the two masks, 0 to 1 (default: by precision, 0.99 to 0.85)",
    )


def _add_tensorrt_arguments(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--plugin",
        metavar="FILE",
        type=Path,
        help="segpp's plugin library, or none (default: the file that SEGPP_PLUGINS names, else "
        "where segpp-doctor finds it)",
    )
    group.add_argument(
        "--embed-plugin", action="store_true", help="put that library into the engine"
    )
    group.add_argument(
        "--timing-cache",
        metavar="FILE",
        type=Path,
        help="what kernels took on this GPU: read if it is there, and written anew, so that the "
        "next build is faster",
    )
    group.add_argument(
        "--optimization-level",
        metavar="N",
        type=int,
        help="how long to search for faster kernels, 0 to 5 (default: the library's)",
    )
    group.add_argument(
        "--version-compatible",
        action="store_true",
        help="build an engine that later versions of TensorRT run too; it holds NVIDIA's code for "
        "that, which a runtime has to allow",
    )


def run(args: argparse.Namespace) -> int:
    """Build the engine and print the report."""
    capabilities = _capabilities(args.compute_capability)
    workspace = None if args.workspace is None else _bytes(args.workspace)
    label = f"parsing {args.onnx.name}" if args.dry_run else f"building {args.output.name}"
    with step(label) as show:
        report = segpp.build_engine(
            args.onnx,
            args.output,
            backend=args.backend,
            compute_capabilities=capabilities,
            workspace=workspace,
            dry_run=args.dry_run,
            plugin=args.plugin,
            embed_plugin=args.embed_plugin,
            timing_cache=args.timing_cache,
            optimization_level=args.optimization_level,
            version_compatible=args.version_compatible,
            gate_images=args.images,
            min_agreement=args.min_agreement,
            min_miou=args.min_miou,
            force=args.force,
            progress=show,
        )
    _say_picture_path(args.onnx)
    print(json.dumps(asdict(report)) if args.json else _text(report))  # noqa: T201 - the result
    sys.stderr.writelines(f"warning: {one_line(in_flags(text))}\n" for text in report.warnings)
    return 1 if report.problems else 0


def _say_picture_path(onnx: Path) -> None:
    """Say on stderr what the engine leaves to the CPU, if its file's manifest tells."""
    note = picture_path_note(read_manifest(onnx)) if manifest_path(onnx).exists() else None
    if note:
        sys.stderr.write(f"note: {note}\n")


def _capabilities(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",")) if text else ()
    for name in names:
        if not re.fullmatch(r"[0-9]{1,2}\.[0-9]", name):
            raise InputError(
                f"{name!r} is not a compute capability", hint="separate by commas, as 8.6,8.9,12.0"
            )
    return names


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,6})([KMG])", text)
    if match is None or int(match[1]) == 0:
        raise InputError(
            f"the workspace {text!r} is not a size",
            "a whole number and one of the units K, M and G",
            hint="for example 512M or 2G",
        )
    return int(match[1]) * _UNITS[match[2]]


def _text(report: BuildReport) -> str:
    lines = {
        "library": f"{report.library} {report.version}, {report.typing}ly typed",
        "built for": _targets(report),
        "layers": _layers(report),
        "plugins": _plugins(report),
        "attention sites": _attention(report),
        "activation memory": _megabytes(report.activation_bytes),
        "weight memory": _megabytes(report.weight_bytes),
        "engine size": _megabytes(report.engine_bytes),
        "build time": f"{report.build_seconds:.1f} s",
        "state": _state(report),
    }
    if not report.built:
        for of_engines in ("activation memory", "weight memory", "engine size", "build time"):
            del lines[of_engines]
    problems = [f"  problem: {text}" for text in report.problems]
    rows = [f"  {name:<18} {value}" for name, value in lines.items()]
    return "\n".join([report.output if report.built else report.input, *rows, *problems])


def _targets(report: BuildReport) -> str:
    capabilities = ", ".join(report.compute_capabilities)
    return f"compute capability {capabilities}" if capabilities else "the GPU that builds it"


def _layers(report: BuildReport) -> str:
    own = sum(report.plugins.values())
    return f"{report.layers:,}, {own} of them plugins of segpp"


def _plugins(report: BuildReport) -> str:
    told = [f"{name} {count}" for name, count in report.plugins.items()]
    if not report.functions:
        return ", ".join(told) or "the file has no operators of segpp"
    others = ", ".join(f"{name} {count}" for name, count in report.functions.items())
    told.append(f"as {report.function_layers:,} standard operators {others}")
    return "; ".join(told)


def _attention(report: BuildReport) -> str:
    found, expected = report.attention_found, report.attention_expected
    if found is None:
        return f"{'unknown' if expected is None else expected}, not compiled"
    if expected is None:
        return f"{found} recognised; no manifest tells of how many"
    fused = "all of them fused" if report.attention_fused == found else _unfused(report)
    return f"{found} of {expected} recognised, {fused}"


def _unfused(report: BuildReport) -> str:
    return f"{report.attention_fused} fused: in FP32 there is no such kernel (--precision fp16)"


def _state(report: BuildReport) -> str:
    if report.ran:
        return "has run here, and gives the masks of its file"
    if report.built:
        proof = (
            "its first session proves it"
            if report.certified
            else "without a certificate, so nothing will prove it"
        )
        return f"built, not run{'' if report.gpu else ': no GPU here'}; {proof}"
    return "not built: it would fail" if report.problems else "not built: a dry run"


def _megabytes(count: int | None) -> str:
    return "not told by the library" if count is None else f"{count / 1e6:.1f} MB"
