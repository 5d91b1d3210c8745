"""``segpp-inspect``: the command."""

import argparse
import sys
from pathlib import Path

from segpp.cli.inspection.manifest import inspect_engine, inspect_manifest
from segpp.errors import CheckError, InputError
from segpp.ops.grid import Size, parse_size
from segpp.utils.file_type import kind_of
from segpp.utils.files import check_file
from segpp.utils.report import Report

__all__ = ["EXAMPLES", "GROUP", "RENAMED", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Say what a checkpoint, an ONNX file, an engine or a manifest is."
GROUP = "look into things"

# What flags were called before, and what they are called now.
RENAMED = {
    "--source": "--checkpoint-format",
}

EXAMPLES = (
    "segpp-inspect model.pth --size 1024x2048",
    "segpp-inspect model.pth --ratio 0.5 --reduce 4.q=none",
    "segpp-inspect b0.onnx --json",
    "segpp-inspect b0.engine.json",
)

_ENGINES = {".engine", ".plan", ".trt"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="checkpoint (file or Hugging Face folder), .onnx, .engine, or a manifest (.json)",
    )
    plan = parser.add_argument_group("for a checkpoint: what merging would do")
    plan.add_argument(
        "--size", metavar="HxW", help="input in pixels (default: the checkpoint's, else 512x1024)"
    )
    plan.add_argument(
        "--ratio", metavar="R", type=float, help="add a column for this share of merged tokens"
    )
    plan.add_argument(
        "--reduce",
        metavar="SITE=METHOD",
        action="append",
        default=[],
        help="add a column with this at a site, STAGE.{q,kv}=METHOD:KEY=VALUE,… or =none; "
        "repeatable",
    )
    plan.add_argument(
        "--checkpoint-format",
        metavar="NAME",
        help="whose code trained it, if its names do not tell",
    )
    parser.add_argument_group("results").add_argument(
        "--json", action="store_true", help="print everything as JSON"
    )


def run(args: argparse.Namespace) -> int:
    """Inspect the file and print what it is."""
    report = _inspect(args)
    print(report.json() if args.json else report.text())  # noqa: T201 - the result
    for problem in report.problems:
        print(f"error: {problem}", file=sys.stderr)  # noqa: T201 - the command's own message
    return CheckError.exit_code if report.problems else 0


def _inspect(args: argparse.Namespace) -> Report:
    path: Path = args.file
    if path.is_dir():
        return _checkpoint(args)
    check_file(path, kind="file")
    kind, suffix = kind_of(path), path.suffix.lower()
    if kind.holds:
        return _checkpoint(args)
    _refuse_plan(args)
    if suffix == ".json":
        return inspect_manifest(path)
    if suffix in _ENGINES:
        return inspect_engine(path)
    if suffix == ".onnx" or "ONNX" in kind.says:
        from segpp.cli.inspection.onnx_graph import inspect_onnx  # noqa: PLC0415 - needs onnx

        return inspect_onnx(path)
    raise InputError(
        f"{path} is {kind.says}",
        "known are checkpoints, ONNX files, engines and manifests",
    )


def _refuse_plan(args: argparse.Namespace) -> None:
    given = {name: getattr(args, name) for name in ("size", "ratio", "reduce", "checkpoint_format")}
    if unused := [
        f"--{name.replace('_', '-')}" for name, value in given.items() if value not in (None, [])
    ]:
        raise InputError(f"{unused[0]} goes with a checkpoint, and {args.file} is none")


def _checkpoint(args: argparse.Namespace) -> Report:
    from segpp.cli.inspection.checkpoint import inspect_checkpoint  # noqa: PLC0415 - torch
    from segpp.export.reduction.config import ReductionChoice  # noqa: PLC0415

    choices = {}
    if args.ratio is not None or args.reduce:
        name = "asked" if args.reduce else f"ratio {args.ratio:g}"
        choices[name] = ReductionChoice(ratio=args.ratio, reduce=tuple(args.reduce))
    size: Size | None = None if args.size is None else parse_size(args.size)
    return inspect_checkpoint(
        args.file, size=size, choices=choices, checkpoint_format=args.checkpoint_format
    )
