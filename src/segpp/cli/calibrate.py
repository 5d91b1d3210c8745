"""``segpp-calibrate``: the command."""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import segpp
from segpp.calib.report import CalibrationFailedError, CalibrationResult
from segpp.cli._options.arguments import (
    add_force_argument,
    add_json_argument,
    add_picture_arguments,
    picture_settings,
    wrote,
)
from segpp.cli._options.reading import (
    add_label_map_argument,
    add_pairing_arguments,
    ignored_labels,
)
from segpp.errors import InputError
from segpp.utils.terminal import unguarded

__all__ = ["EXAMPLES", "GROUP", "ORDER", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Write an ONNX file as INT8 for one engine, and judge it on pictures held back."
GROUP = "make a model smaller"
ORDER = 4

EXAMPLES = (
    "segpp-calibrate b0.onnx frames -o b0.int8.onnx",
    "segpp-calibrate b0.onnx frames -o b0.int8.onnx --target openvino --max-drop 0.5",
    "segpp-calibrate b0.onnx val/images -o b0.int8.onnx --labels val/labels --report b0.int8.json",
    "segpp-calibrate b0.onnx frames -o b0.int8.onnx --calib-method max --calib-method fc2=mse",
)

_DEFAULT = "default"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options, in the order in which a person decides."""
    model = parser.add_argument_group("model")
    model.add_argument(
        "model", type=Path, metavar="MODEL.onnx", help="float file, with its manifest beside it"
    )
    model.add_argument(
        "pictures",
        nargs="+",
        metavar="IMAGES",
        help="pictures as the camera gives them: folders, quoted patterns, lists (.txt), files; "
        "every fifth is held back to judge by",
    )
    model.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="OUT.onnx",
        help="INT8 file to write; its manifest goes beside it",
    )
    model.add_argument(
        "--target",
        default="tensorrt",
        metavar="T",
        help="whose dialect to write: tensorrt, onnxruntime or openvino (default: tensorrt)",
    )
    add_picture_arguments(model)
    add_force_argument(model)
    _add_ranges(parser)
    _add_rounding(parser)
    _add_selection(parser)
    results = parser.add_argument_group("results")
    add_json_argument(results, "everything that was measured and decided")
    results.add_argument(
        "--report", type=Path, metavar="FILE.json", help="also write that to a file"
    )
    results.add_argument(
        "--plot",
        type=Path,
        metavar="FILE.png",
        help="also draw what each block costs and gains, as PNG",
    )


def _add_ranges(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("ranges of activations")
    group.add_argument(
        "--calib-method",
        action="append",
        default=[],
        metavar="NAME",
        help="where they are clipped: max, entropy, percentile, mse; KIND=NAME for one kind of "
        "product; repeatable (default: max)",
    )
    group.add_argument(
        "--ranges",
        type=Path,
        metavar="FILE",
        help="where they are kept for the next time (default: MODEL.ranges.json)",
    )
    group.add_argument(
        "--no-equalize",
        action="store_true",
        help="do not move outliers of activations into weights",
    )
    group.add_argument(
        "--no-bias-correction",
        action="store_true",
        help="do not take off biases what INT8 shifts products by",
    )
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads")


def _add_rounding(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("rounding of weights")
    group.add_argument(
        "--rounding",
        default="nearest",
        metavar="NAME",
        help="how weights become integers: nearest; adaround, up or down as fits what they are "
        "multiplied by, where that brings blocks closer (default: nearest)",
    )
    group.add_argument(
        "--rounding-time",
        type=float,
        default=600,
        metavar="SECONDS",
        help="time for that; blocks left then stay rounded to the nearest (default: 600)",
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what becomes INT8, and what may be lost")
    group.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="labels named like the images: what is lost is counted in mIoU (default: in pixels "
        "that change their class)",
    )
    add_pairing_arguments(group)
    group.add_argument(
        "--split", metavar="NAME", help="part of a data set (default: the one for validation)"
    )
    add_label_map_argument(group)
    group.add_argument(
        "--ignore",
        metavar="N,…",
        help="labels whose pixels do not count (default: the model's, and 255)",
    )
    group.add_argument(
        "--keep-float",
        action="append",
        default=[],
        metavar="KIND",
        help="kind of product that stays float: patch, reduce, q, kv, out, fc1, depthwise, fc2, "
        "head; repeatable",
    )
    group.add_argument(
        "--max-drop",
        type=float,
        metavar="P",
        help="points of a hundred that may be lost: the worst blocks go back to float",
    )
    group.add_argument(
        "--min-agreement",
        type=float,
        default=0.97,
        metavar="S",
        help="share of the pixels held back that must keep their class (default: 0.97)",
    )
    group.add_argument(
        "--no-timing",
        action="store_true",
        help="do not leave float what INT8 does not make faster on this machine",
    )
    group.add_argument(
        "--precision",
        default="fp32",
        metavar="NAME",
        help="what the rest is computed in while that is timed: fp32, or bf16 with openvino on "
        "CPUs that have it (default: fp32)",
    )


def run(args: argparse.Namespace) -> int:
    """Calibrate and report; also of a file that did not pass its gates."""
    try:
        result = _calibrated(args)
    except CalibrationFailedError as failure:
        _tell(failure.result, args)
        raise
    _tell(result, args)
    return 0


def _calibrated(args: argparse.Namespace) -> CalibrationResult:
    with _steps() as after_each:
        return segpp.calibrate(
            args.model,
            args.pictures,
            args.out,
            target=args.target,
            calib_method=_methods(args.calib_method),
            ranges=args.ranges,
            labels=args.labels,
            image_suffix=args.image_suffix,
            label_suffix=args.label_suffix,
            split=args.split,
            label_map=args.label_map,
            ignore=ignored_labels(args.ignore),
            keep_float=args.keep_float,
            max_drop=args.max_drop,
            min_agreement=args.min_agreement,
            only_what_pays=not args.no_timing,
            equalize=not args.no_equalize,
            correct_biases=not args.no_bias_correction,
            rounding=args.rounding,
            rounding_time=args.rounding_time,
            **picture_settings(args),
            threads=args.threads,
            precision=args.precision,
            report=args.report,
            plot=args.plot,
            after_each=after_each,
            force=args.force,
        )


def _tell(result: CalibrationResult, args: argparse.Namespace) -> None:
    sys.stderr.writelines(f"warning: {warning}\n" for warning in result.warnings)
    print(result.json() if args.json else result.text())  # noqa: T201 - the result
    wrote([args.report, args.plot])


def _methods(given: list[str]) -> Mapping[str, str]:
    """Return the method of each kind; that of all others is ``default``."""
    methods: dict[str, str] = {}
    for text in given:
        kind, equals, name = text.partition("=")
        key, value = (kind, name) if equals else (_DEFAULT, text)
        if methods.setdefault(key, value) != value:
            what = f"for {key}" if equals else "without a kind"
            raise InputError(f"--calib-method is given twice {what}: {methods[key]}, {value}")
    return methods


class _Steps:
    """One bar for each step of the work on a terminal, elsewhere one line when it is done."""

    def __init__(self) -> None:
        self._what, self._bar, self._done, self._total, self._start = "", None, 0, 0, 0.0
        self._is_shown = unguarded(sys.stderr).isatty()

    def __call__(self, what: str, done: int, total: int) -> None:
        # The same step begins again where several files are compared.
        if what != self._what or done < self._done:
            self.end()
            self._what, self._start = what, time.monotonic()
            self._bar = self._open(what, done, total)
        self._done, self._total = done, total
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def end(self) -> None:
        """Take the bar away, or say what was done."""
        if self._bar is not None:
            self._bar.close()
        elif self._what:
            spent = time.monotonic() - self._start
            sys.stderr.write(f"{self._what}: {self._done} of {self._total} … {spent:.1f} s\n")
        self._what, self._bar, self._done = "", None, 0

    def _open(self, what: str, done: int, total: int) -> Any:
        if not self._is_shown:
            return None
        from tqdm import tqdm  # noqa: PLC0415 - help screens need no progress bar

        stream = unguarded(sys.stderr)
        return tqdm(desc=what, initial=done, total=total, file=stream, leave=False)


@contextmanager
def _steps() -> Iterator[_Steps]:
    steps = _Steps()
    try:
        yield steps
    finally:
        steps.end()
