"""``segpp-verify``: the command."""

import argparse
import sys
from pathlib import Path

import segpp
from segpp.cli._options.arguments import (
    add_backend_arguments,
    add_force_argument,
    add_json_argument,
    backend_settings,
    wrote,
)
from segpp.runtime.verification.verify import Refused, Verified
from segpp.utils.progress import step

__all__ = ["EXAMPLES", "GROUP", "ORDER", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Prove on this machine that files give the masks of their certificates."
GROUP = "make a model smaller"
ORDER = 6
EXAMPLES = (
    "segpp-verify b0.onnx",
    "segpp-verify b0.onnx b0.int8.onnx --backend openvino --out differences",
    "segpp-verify b0.int8.onnx --bisect b0.onnx",
)

_RULES = """Beside each file lie its manifest (.json) and its certificate (.probe.zip): pictures and
what the reference labels them. The file runs on them here, by any backend; a pixel whose two best
classes are closer than rounding does not count. Exit 1 where masks differ, 2 without a certificate
or where file, manifest and certificate do not belong together. Of several files each gets its
verdict, and the lowest of these exit codes counts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = f"{SUMMARY}\n\n{_RULES}"
    files = parser.add_argument_group("files")
    files.add_argument(
        "models",
        metavar="FILE",
        nargs="+",
        type=Path,
        help="ONNX file or engine, its manifest and certificate beside it",
    )
    files.add_argument(
        "--bisect",
        metavar="OTHER.onnx",
        type=Path,
        help="also say in which block, head or output each file parts from this one of the same "
        "network, which onnxruntime runs as it is (the same FILE shows what a library makes of it)",
    )
    add_backend_arguments(parser, certified=True)
    results = parser.add_argument_group("results")
    add_json_argument(results, "everything")
    results.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="also draw where masks differ, a PNG for each file and picture",
    )
    add_force_argument(results)


def run(args: argparse.Namespace) -> int:
    """Verify the files and print what became of them."""
    with step("running certificates"):
        report = segpp.verify(
            args.models,
            **backend_settings(args),
            bisect=args.bisect,
            out=args.out,
            force=args.force,
        )
    print(report.json() if args.json else report.text())  # noqa: T201 - the result
    wrote(report.pictures)
    for one in report.failed:
        _tell(one)
    return report.exit_code


def _tell(failed: Verified | Refused) -> None:
    what = "not verified" if isinstance(failed, Refused) else "other masks than in the certificate"
    print(f"error: {what}: {failed.path}", file=sys.stderr)  # noqa: T201 - the command's own message
