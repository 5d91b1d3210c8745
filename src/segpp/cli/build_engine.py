"""``segpp-build-engine``: the command."""

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

import segpp
from segpp.cli._arguments import add_force_argument, add_json_argument
from segpp.errors import InputError
from segpp.manifest import read_manifest
from segpp.runtime.backends.engine.picture_path import picture_path_note
from segpp.runtime.build import BuildReport
from segpp.runtime.build.builders import BUILDERS
from segpp.utils.files import manifest_path
from segpp.utils.progress import step

__all__ = ["EXAMPLES", "GROUP", "ORDER", "RENAMED", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Compile an ONNX file to an engine for a GPU."
GROUP = "make a model smaller"
ORDER = 3

# What flags were called before, and what they are called now.
RENAMED = {
    "--engine": "--backend",
}

EXAMPLES = (
    "segpp-build-engine b0.onnx b0.engine",
    "segpp-build-engine b0.onnx b0.engine --compute-capability 8.6,8.9,12.0",
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
    add_json_argument(parser.add_argument_group("results"), "the report")


def run(args: argparse.Namespace) -> int:
    """Build the engine and print the report."""
    capabilities = _capabilities(args.compute_capability)
    workspace = None if args.workspace is None else _bytes(args.workspace)
    with step(f"building {args.output.name}"):
        report = segpp.build_engine(
            args.onnx,
            args.output,
            backend=args.backend,
            compute_capabilities=capabilities,
            workspace=workspace,
            force=args.force,
        )
    _say_picture_path(args.onnx)
    print(json.dumps(asdict(report)) if args.json else _text(report))  # noqa: T201 - the result
    return 0


def _say_picture_path(onnx: Path) -> None:
    """Say on stderr what the engine leaves to the CPU, if its file's manifest tells."""
    note = picture_path_note(read_manifest(onnx)) if manifest_path(onnx).exists() else None
    if note:
        sys.stderr.write(f"note: {note}\n")


def _capabilities(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",")) if text else ()
    for name in names:
        if not re.fullmatch(r"\d{1,2}\.\d", name):
            raise InputError(
                f"{name!r} is not a compute capability", hint="separate by commas, as 8.6,8.9,12.0"
            )
    return names


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d{1,6})([KMG])", text)
    if match is None or int(match[1]) == 0:
        raise InputError(
            f"the workspace {text!r} is not a size",
            "a whole number and one of the units K, M and G",
            hint="for example 512M or 2G",
        )
    return int(match[1]) * _UNITS[match[2]]


def _text(report: BuildReport) -> str:
    lines = {
        "library": f"{report.library} {report.version}",
        "built for": f"compute capability {', '.join(report.compute_capabilities)}",
        "layers": f"{report.layers}",
        "attention sites": _attention(report),
        "activation memory": _megabytes(report.activation_bytes),
        "weight memory": _megabytes(report.weight_bytes),
        "engine size": _megabytes(report.engine_bytes),
        "build time": f"{report.build_seconds:.1f} s",
        "state": "built, not run" + ("" if report.gpu else ": no GPU here"),
    }
    return "\n".join([report.output, *(f"  {name:<18} {value}" for name, value in lines.items())])


def _attention(report: BuildReport) -> str:
    found, expected = report.attention_found, report.attention_expected
    if expected is None:
        return f"{found} recognised; no manifest tells of how many"
    return f"{found} of {expected} recognised"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
