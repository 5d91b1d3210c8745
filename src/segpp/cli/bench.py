"""``segpp-bench``: the command."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from segpp.cli._arguments import add_backend_arguments, backend_settings
from segpp.errors import InputError
from segpp.runtime.benchmark.case import case_names, parse_case
from segpp.runtime.benchmark.environment import read_cpu_usage, read_system_state
from segpp.runtime.benchmark.interleave import BenchmarkConfig, Sample, interleave
from segpp.runtime.benchmark.plot import check_plotting, draw
from segpp.runtime.benchmark.reliability import reliability_warnings
from segpp.runtime.benchmark.report import BenchmarkReport, as_csv, as_json
from segpp.runtime.benchmark.runner import LoadedCase, environment_between, load_case
from segpp.runtime.benchmark.statistics import parse_percentiles
from segpp.runtime.benchmark.tables import as_markdown, as_text
from segpp.utils.files import atomic_write, check_writable
from segpp.utils.progress import step

__all__ = ["EXAMPLES", "GROUP", "RENAMED", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Measure latency by stage, throughput and peak memory, of several models side by side."
GROUP = "run and measure it"

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

_ROUNDS, _SECONDS = 10, 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = f"{SUMMARY}\n\n{_RULES}"
    parser.add_argument(
        "models",
        metavar="MODEL",
        nargs="+",
        help="ONNX file or engine, also as FILE@BACKEND or FILE@BACKEND:PRECISION; the others are "
        "compared with the first",
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
        "--percentiles", metavar="P,…", default="50,90,95,99", help="default: 50,90,95,99"
    )
    add_backend_arguments(parser)
    results = parser.add_argument_group("results")
    shape = results.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print everything, as JSON")
    shape.add_argument("--markdown", action="store_true", help="print a Markdown table")
    results.add_argument(
        "--csv", metavar="FILE", type=Path, help="also write a row per model and stage"
    )
    results.add_argument("--plot", metavar="FILE", type=Path, help="also draw it, as PNG")


def run(args: argparse.Namespace) -> int:
    """Measure the models and print how they did."""
    config, percents = _config(args), parse_percentiles(args.percentiles)
    if args.plot:
        check_plotting()
    for path in (args.csv, args.plot):
        if path:
            check_writable(path)
    report = _measure(args, config, percents)
    report = replace(report, warnings=reliability_warnings(report))
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201 - a message of the command
    if args.csv:
        with atomic_write(args.csv) as (part,):
            part.write_text(as_csv(report), encoding="utf-8")
    if args.plot:
        with atomic_write(args.plot) as (part,):
            draw(report, part)
    render = as_json if args.json else as_markdown if args.markdown else as_text
    print(render(report))  # noqa: T201 - the result
    return 0


def _config(args: argparse.Namespace) -> BenchmarkConfig:
    rounds, seconds = args.iterations, args.duration
    if rounds is None and seconds is None:
        rounds, seconds = _ROUNDS, _SECONDS
    rounds, seconds = 1 if rounds is None else rounds, 0.0 if seconds is None else seconds
    # Not-a-number and infinity never end.
    if rounds < 1 or args.warmup < 0 or not 0.0 <= seconds < float("inf"):
        raise InputError(
            f"cannot measure {rounds} times in {seconds:g} s after {args.warmup} calls to warm up"
        )
    return BenchmarkConfig(args.warmup, rounds, seconds)


def _measure(
    args: argparse.Namespace, config: BenchmarkConfig, percents: tuple[float, ...]
) -> BenchmarkReport:
    settings = backend_settings(args)
    usual = {name: settings.pop(name) for name in ("backend", "precision")}
    cases = [parse_case(text, **usual) for text in args.models]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        loaded: list[LoadedCase] = []
        for name, case in zip(case_names(cases), cases, strict=True):
            with step(f"loading {name}"):
                alone = len(cases) == 1
                one = load_case(name, case, args.image, folder, {**settings, "alone": alone})
                loaded.append(stack.enter_context(one))
        before, used = read_system_state(), read_cpu_usage()
        samples = _with_progress([one.sample for one in loaded], config)
        environment = environment_between(before, used, {one.module for one in loaded})
        return BenchmarkReport(
            image=loaded[0].image_text,
            threads=args.threads,
            warmup=config.warmup,
            percents=percents,
            environment=environment,
            results=tuple(
                one.result(own, loaded[0]) for one, own in zip(loaded, samples, strict=True)
            ),
        )


def _with_progress(
    runners: Sequence[Callable[[], Sample]], config: BenchmarkConfig
) -> list[list[Sample]]:
    from tqdm import tqdm  # noqa: PLC0415 - help screens need no progress bar

    with tqdm(unit="round", file=sys.stderr, disable=None, leave=False) as bar:
        return interleave(runners, config, clock=time.perf_counter, after_each=bar.update)
