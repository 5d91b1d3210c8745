"""``segpp-bench``: the command."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import segpp
from segpp.cli._options.arguments import (
    add_backend_arguments,
    add_force_argument,
    add_json_argument,
    backend_settings,
    wrote,
)
from segpp.errors import OutputError
from segpp.runtime.benchmark.case import parse_case
from segpp.runtime.benchmark.plot import check_plotting, draw
from segpp.runtime.benchmark.report import BenchmarkReport, as_csv, as_json
from segpp.runtime.benchmark.statistics import parse_percentiles
from segpp.runtime.benchmark.tables import as_markdown, as_text
from segpp.utils.files import atomic_write
from segpp.utils.overwrite import OutputKind, check_distinct, check_output_file
from segpp.utils.terminal import unguarded

__all__ = ["EXAMPLES", "GROUP", "ORDER", "RENAMED", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Measure latency by stage, throughput and peak memory, of several models side by side."
GROUP = "run and measure it"
ORDER = 3

# What flags were called before, and what they are called now.
RENAMED = {
    "--engine": "--backend",
}

EXAMPLES = (
    "segpp-bench b0.onnx b0-hq.onnx --threads 2",
    "segpp-bench b0.onnx@onnxruntime b0.onnx@openvino b0.onnx@openvino:bf16 --duration 60",
    "segpp-bench b0.onnx b0-hq.onnx --csv times.csv --plot times.png --markdown",
)

_RULES = """The models run in turn, one call each a round, so that a change of the machine falls on
all alike; ratios are of calls in the same round. Percentiles are nearest ranks; no call is left
out. Peak memory is that of a process of its own for each model, which compiles it anew. The
labels of all are compared with the first one's."""

# So many calls tell a median.
_ROUNDS, _SECONDS = 11, 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = f"{SUMMARY}\n\n{_RULES}"
    parser.add_argument_group("models").add_argument(
        "models",
        metavar="MODEL",
        nargs="+",
        help="ONNX file or engine, also as FILE@BACKEND or FILE@BACKEND:PRECISION; the others "
        "are compared with the first",
    )
    effort = parser.add_argument_group("measurement")
    effort.add_argument(
        "--image",
        metavar="FILE",
        type=Path,
        help="image to segment (default: the bundled street at each model's size)",
    )
    effort.add_argument(
        "--iterations",
        metavar="N",
        type=int,
        help=f"at least N calls of each model (default: {_ROUNDS}, unless --duration is given)",
    )
    effort.add_argument(
        "--duration",
        metavar="SECONDS",
        type=float,
        help=f"at least so long (default: {_SECONDS:g}, unless --iterations is given)",
    )
    effort.add_argument(
        "--warmup", metavar="N", type=int, default=3, help="calls that do not count (default: 3)"
    )
    effort.add_argument(
        "--percentiles",
        metavar="P,…",
        help="which to tell (default: those of 50,90,95,99 that the calls suffice for)",
    )
    add_backend_arguments(parser)
    results = parser.add_argument_group("results")
    shape = results.add_mutually_exclusive_group()
    add_json_argument(shape, "everything")
    shape.add_argument("--markdown", action="store_true", help="print a Markdown table")
    results.add_argument(
        "--csv", metavar="FILE", type=Path, help="also write a row per model and stage"
    )
    results.add_argument("--plot", metavar="FILE.png", type=Path, help="also draw it, as PNG")
    add_force_argument(results)


def run(args: argparse.Namespace) -> int:
    """Measure the models and print how they did."""
    percentiles = None if args.percentiles is None else parse_percentiles(args.percentiles)
    _check_files(args)
    with _progress() as after_each:
        report = segpp.benchmark(
            args.models,
            image=args.image,
            **_duration(args),
            warmup=args.warmup,
            percentiles=percentiles,
            **backend_settings(args),
            after_each=after_each,
        )
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201 - a message of the command
    _write_files(args, report)
    render = as_json if args.json else as_markdown if args.markdown else as_text
    print(render(report))  # noqa: T201 - the result
    wrote([args.csv, args.plot])
    return 0


def _check_files(args: argparse.Namespace) -> None:
    """Raise now, before the long work, for files that cannot or must not be written."""
    if args.plot:
        check_plotting()
        if args.plot.suffix.lower() != ".png":
            raise OutputError(
                f"--plot {args.plot} would be a PNG under another name",
                hint=f"name it {args.plot.with_suffix('.png').name}",
            )
    cases = [parse_case(text, backend="auto", precision="fp32").path for text in args.models]
    read = [*cases, *([args.image] if args.image else [])]
    outputs: list[tuple[Path | None, OutputKind]] = [(args.csv, "table"), (args.plot, "picture")]
    check_distinct([path for path, _ in outputs])
    for path, kind in outputs:
        if path:
            check_output_file(path, kind, inputs=read, force=args.force)


def _duration(args: argparse.Namespace) -> dict[str, Any]:
    rounds, seconds = args.iterations, args.duration
    if rounds is None and seconds is None:
        return {"iterations": _ROUNDS, "duration": _SECONDS}
    return {
        "iterations": 1 if rounds is None else rounds,
        "duration": 0.0 if seconds is None else seconds,
    }


def _write_files(args: argparse.Namespace, report: BenchmarkReport) -> None:
    if args.csv:
        with atomic_write(args.csv) as (part,):
            part.write_text(as_csv(report), encoding="utf-8")
    if args.plot:
        with atomic_write(args.plot) as (part,):
            draw(report, part)


@contextmanager
def _progress() -> Iterator[Callable[[], object]]:
    from tqdm import tqdm  # noqa: PLC0415 - help screens need no progress bar

    with tqdm(unit="round", file=unguarded(sys.stderr), disable=None, leave=False) as bar:
        yield bar.update
