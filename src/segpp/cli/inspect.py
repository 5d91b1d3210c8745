"""``segpp-inspect``: the command."""

import argparse
import sys
from pathlib import Path

import segpp
from segpp.cli._options.arguments import add_json_argument
from segpp.cli._options.reading import add_reading, reading_of
from segpp.errors import CheckError

__all__ = ["EXAMPLES", "GROUP", "ORDER", "RENAMED", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Say what a checkpoint, an ONNX file, an engine or a manifest is."
GROUP = "look into things"
ORDER = 2

# What flags were called before, and what they are called now.
RENAMED = {
    "--source": "--checkpoint-format",
}

EXAMPLES = (
    "segpp-inspect model.pth --size 1024x2048",
    "segpp-inspect model.pth --ratio 0.5 --reduce 4.q=none",
    "segpp-inspect distilled.pth --prefix student",
    "segpp-inspect b0.onnx --json",
    "segpp-inspect b0.onnx --board orin-nano-super",
    "segpp-inspect b0.engine.json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument_group("file").add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="checkpoint (file or Hugging Face folder), .onnx, .engine, or a manifest (.json)",
    )
    parser.add_argument_group("for a checkpoint or an ONNX file").add_argument(
        "--board",
        metavar="NAME",
        help="estimate its time and memory there, from counts: orin-nano, orin-nano-super, "
        "orin-nx, agx-orin or thor",
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
        help="add a column with this at a site, STAGE.{q,kv,ffn,grid} or head.grid, or at "
        "channels, STAGE.{hidden,qkv}, as SITE=METHOD:KEY=VALUE,… or =none; repeatable",
    )
    plan.add_argument(
        "--checkpoint-format",
        metavar="NAME",
        help="whose code trained it, if its names do not tell",
    )
    add_reading(parser)
    add_json_argument(parser.add_argument_group("results"), "everything")


def run(args: argparse.Namespace) -> int:
    """Inspect the file and print what it is."""
    report = segpp.inspect(
        args.file,
        size=args.size,
        ratio=args.ratio,
        reduce=args.reduce,
        board=args.board,
        checkpoint_format=args.checkpoint_format,
        **reading_of(args),
    )
    print(report.json() if args.json else report.text())  # noqa: T201 - the result
    for problem in report.problems:
        print(f"error: {problem}", file=sys.stderr)  # noqa: T201 - the command's own message
    return CheckError.exit_code if report.problems else 0
