"""``segpp-run``: masks and overlays for an image, a folder, a pattern or a video."""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from segpp.cli._arguments import add_backend_arguments, backend_settings
from segpp.cli._run_report import RunSummary, render_json, render_line
from segpp.errors import InputError
from segpp.images.palette import read_class_names, read_palette
from segpp.runtime.inference.precision_check import MIN_AGREEMENT
from segpp.runtime.inference.predict import FailedImage, Prediction, predict_all
from segpp.runtime.inference.session import Session, open_session
from segpp.runtime.media.sources import ImageSource, find_source
from segpp.runtime.media.writers import (
    KINDS,
    RenderConfig,
    Write,
    check_output,
    open_writer,
    resolve_output,
)

__all__ = ["EXAMPLES", "GROUP", "RENAMED", "SUMMARY", "add_arguments", "run"]

T = TypeVar("T")

SUMMARY = "Segment an image, a folder, a pattern or a video with an exported network."

GROUP = "run and measure it"

# What flags were called before, and what they are called now.
RENAMED = {
    "--engine": "--backend",
    "--visualize": "--save",
    "--colors": "--palette",
    "--labels": "--class-names",
    "--no-spinning": "--no-spin",
}

EXAMPLES = (
    "segpp-run b0.onnx street.png --out street.overlay.png",
    "segpp-run b0.onnx frames/ --out masks/ --save both",
    "segpp-run b0.onnx drive.mp4 --out drive.overlay.mp4 --alpha 0.4",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``segpp-run``."""
    files = parser.add_argument_group("files")
    files.add_argument("model", metavar="MODEL", help="network to run (.onnx, .engine)")
    files.add_argument(
        "input", metavar="INPUT", help="image, folder, quoted pattern ('a/*.png') or video"
    )
    files.add_argument(
        "--out",
        metavar="PATH",
        required=True,
        help="image or .mp4 for one input, else a folder: street.overlay.png, street.mask.png",
    )
    looks = parser.add_argument_group("looks")
    looks.add_argument(
        "--save",
        choices=("overlay", "mask", "both"),
        default="overlay",
        help="colours over the image, class numbers with a palette, or both (default: overlay)",
    )
    looks.add_argument(
        "--alpha",
        type=float,
        default=0.5,
        metavar="X",
        help="share of the colour in an overlay, 0 to 1 (default: 0.5)",
    )
    looks.add_argument("--class-names", metavar="FILE", help="class names, one per line, or JSON")
    looks.add_argument("--palette", metavar="FILE", help="one 'R G B' per line, or JSON")
    backend = add_backend_arguments(parser)
    backend.add_argument(
        "--min-agreement",
        type=float,
        default=MIN_AGREEMENT,
        metavar="X",
        help="share of the first image's pixels that bf16 must label as fp32 does (default: "
        f"{MIN_AGREEMENT})",
    )
    backend.add_argument(
        "--no-spin",
        action="store_true",
        help="let idle threads sleep: slower, but leaves the cores to others",
    )
    parser.add_argument_group("report").add_argument(
        "--json", action="store_true", help="report every image on stdout as JSON"
    )


def run(args: argparse.Namespace) -> int:
    """Segment everything, report, and return 1 if an image had to be skipped."""
    _check_alpha(args.alpha)
    source = find_source(args.input)
    output = resolve_output(args.out, source, KINDS[args.save])
    check_output(output, source)
    with _open(args) as session:
        if session.assumed:
            _tell(f"{args.model}: " + "\n  ".join(session.manifest.notes))
        names, config = _render_config(args, session)
        start = time.perf_counter()
        with open_writer(output, config, rate=source.rate) as write:
            summary = _collect(session, source, write)
        summary.seconds = time.perf_counter() - start
        report = _report(args, session, names, summary)
    print(report)  # noqa: T201 - the report is the result
    return 1 if summary.failed else 0


def _check_alpha(alpha: float) -> None:
    if not 0.0 <= alpha <= 1.0:
        raise InputError(f"alpha is {alpha}", "expected: between 0 (image) and 1 (colours)")


def _open(args: argparse.Namespace) -> Session:
    return open_session(
        args.model,
        **backend_settings(args),
        min_agreement=args.min_agreement,
        spinning=not args.no_spin,
    )


def _render_config(
    args: argparse.Namespace, session: Session
) -> tuple[tuple[str, ...], RenderConfig]:
    names, palette = session.classes.names, session.classes.palette
    if args.class_names:
        names = _fitting(
            read_class_names(Path(args.class_names)), session, args.class_names, "names"
        )
    if args.palette:
        palette = _fitting(read_palette(Path(args.palette)), session, args.palette, "colours")
    return names, RenderConfig(KINDS[args.save], palette, args.alpha)


def _fitting(values: tuple[T, ...], session: Session, file: str, what: str) -> tuple[T, ...]:
    # Ready labels without a manifest do not tell how many classes there are.
    told = not session.assumed or session.manifest.outputs[0].kind == "logits"
    if told and len(values) != len(session.classes.names):
        raise InputError(
            f"{file} has {len(values)} {what}, the network {len(session.classes.names)} classes"
        )
    return values


def _collect(session: Session, source: ImageSource, write: Write) -> RunSummary:
    summary = RunSummary()
    for outcome in _with_progress(predict_all(session, source, write), source):
        if isinstance(outcome, Prediction):
            summary.done.append(outcome)
        else:
            summary.failed.append(outcome)
            _tell(f"skipped {outcome.item.name}: {outcome.error}")
    return summary


def _with_progress(
    outcomes: Iterator[Prediction | FailedImage], source: ImageSource
) -> Iterator[Prediction | FailedImage]:
    if source.kind == "image":
        return outcomes
    # The rate, never its inverse: "0.8 images/s" compares with "12 images/s".
    shown = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}" if source.count else "{n_fmt}"
    return iter(
        tqdm(
            outcomes,
            total=source.count,
            unit=" images",
            # A log takes a line every ten seconds, a terminal ten a second.
            mininterval=0.1 if sys.stderr.isatty() else 10.0,
            bar_format=f"{shown} [{{elapsed}}, {{rate_noinv_fmt}}]",
            file=sys.stderr,
        )
    )


def _report(
    args: argparse.Namespace, session: Session, names: tuple[str, ...], summary: RunSummary
) -> str:
    if not args.json:
        return render_line(summary, names, args.out)
    about = {
        "model": args.model,
        "backend": session.description,
        "input_size": [session.input.height, session.input.width],
    }
    return render_json(summary, names, about)


def _tell(message: str) -> None:
    # Above the progress bar, not through it.
    tqdm.write(message, file=sys.stderr)
