"""``segpp-eval``: the command."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import segpp
from segpp.cli._options.arguments import (
    add_backend_arguments,
    add_fit_arguments,
    add_force_argument,
    add_json_argument,
    add_picture_arguments,
    backend_settings,
    fit_settings,
    in_flags,
    picture_settings,
    wrote,
)
from segpp.cli._options.reading import (
    add_data_arguments,
    add_label_map_argument,
    add_pairing_arguments,
    ignored_labels,
)
from segpp.errors import CheckError, InputError
from segpp.utils.files import atomic_write
from segpp.utils.overwrite import check_distinct, check_output_file
from segpp.utils.terminal import unguarded

__all__ = ["EXAMPLES", "GROUP", "ORDER", "RENAMED", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Measure mIoU and pixel accuracy over labelled images, for one or several models."
GROUP = "run and measure it"
ORDER = 2

# What flags were called before, and what they are called now.
RENAMED = {
    "--engine": "--backend",
    "--data": "--dataset",
}

EXAMPLES = (
    "segpp-eval b0.onnx --images val/images --labels val/labels",
    "segpp-eval b0.onnx b0-fast.onnx --dataset val --ignore 11,255 --csv scores.csv",
    "segpp-eval b0.onnx b0-fast.onnx --dataset val --confusion taken.png --html val.html",
    "segpp-eval b5.onnx --dataset cityscapes --split val",
    "segpp-eval b0.onnx --images 'runs/*/rgb/*.png' --labels 'runs/*/seg/*.png'",
    "segpp-eval b0.onnx --list val.txt --images JPEGImages --labels SegmentationClass",
)

_RULES = """IoU = pixels of both / pixels of either, over all images together; mIoU is the mean over
the classes that occur in the labels or in the prediction. Logits are resized bilinearly to the
labels' size before the argmax; a model that gives labels only is resized to the nearest."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = f"{SUMMARY}\n\n{_RULES}"
    parser.add_argument_group("models").add_argument(
        "models",
        metavar="MODEL",
        nargs="+",
        type=Path,
        help="ONNX file or engine; the others are compared with the first",
    )
    _add_data(parser)
    fit = add_fit_arguments(parser)
    add_picture_arguments(fit)
    fit.add_argument(
        "--protocol",
        metavar="NAME",
        default="whole",
        help="whole, or slide: --tile --overlap 0.33, a stride of two thirds of a side as in "
        "papers that train on crops (default: whole)",
    )
    add_backend_arguments(parser)
    results = parser.add_argument_group("results")
    add_json_argument(results, "the scores")
    results.add_argument("--csv", metavar="FILE", type=Path, help="also write one row per model")
    results.add_argument(
        "--confusion", metavar="FILE", help="also draw which class is taken for which, as PNG"
    )
    results.add_argument(
        "--plot", metavar="FILE", help="also draw the IoU of each class as bars, as PNG"
    )
    results.add_argument(
        "--html",
        metavar="FILE",
        help="also write it all as one page with the worst images, pictures inside",
    )
    add_force_argument(results)


def _add_data(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("data")
    add_data_arguments(data)
    add_pairing_arguments(data)
    add_label_map_argument(data)
    data.add_argument(
        "--ignore",
        metavar="N,…",
        help="labels whose pixels do not count; negative ones as --ignore=-1 (default: those of "
        "model and layout, and 255)",
    )
    data.add_argument(
        "--reduce-zero-label",
        action=argparse.BooleanOptionalAction,
        help="label 0 is no class and the classes start at 1 (ADE20K; default: as the model was "
        "trained)",
    )
    data.add_argument(
        "--label-offset",
        metavar="N",
        type=int,
        default=0,
        help="added to every label but 255, before --ignore: -1 where labels start at 1",
    )
    data.add_argument(
        "--palette",
        metavar="FILE",
        type=Path,
        help="colours of the classes in labels in colour: one 'R G B' per line, or JSON (default: "
        "the model's)",
    )
    data.add_argument("--limit", metavar="N", type=int, help="only the first N images")


def run(args: argparse.Namespace) -> int:
    """Evaluate the models and print their scores."""
    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit {args.limit} leaves no image")
    check_distinct([args.csv, args.confusion, args.plot, args.html])
    if args.csv:
        folders = filter(None, (args.images, args.labels, *args.dataset))
        read = [*args.models, *(file for one in folders for file in _files_in(one, args.csv))]
        check_output_file(args.csv, "table", inputs=read, force=args.force)
    with _progress() as after_each:
        report = segpp.evaluate(
            args.models,
            images=args.images,
            labels=args.labels,
            dataset=args.dataset,
            split=args.split,
            listed=args.listed,
            label_map=args.label_map,
            image_suffix=args.image_suffix,
            label_suffix=args.label_suffix,
            ignore=ignored_labels(args.ignore),
            reduce_zero_label=args.reduce_zero_label,
            label_offset=args.label_offset,
            palette=args.palette,
            limit=args.limit,
            **backend_settings(args),
            **fit_settings(args),
            **picture_settings(args),
            protocol=args.protocol,
            after_each=after_each,
            confusion=args.confusion,
            plot=args.plot,
            html=args.html,
            force=args.force,
        )
    for message in (
        *(f"note: {note}" for note in report.notes),
        *(f"skipped: {in_flags(problem)}" for problem in report.evaluation.skipped),
    ):
        print(message, file=sys.stderr)  # noqa: T201 - a message of the command
    if args.csv:
        with atomic_write(args.csv) as (part,):
            part.write_text(report.csv(), encoding="utf-8")
    print(report.json() if args.json else report.text())  # noqa: T201 - the result
    wrote([args.csv, args.confusion, args.plot, args.html])
    return CheckError.exit_code if report.evaluation.skipped else 0


def _files_in(folder: Path, output: Path) -> list[Path]:
    """Return the file of ``output``'s name in a folder that is read, if the output lies in it."""
    inside = output.resolve().is_relative_to(folder.resolve())
    return [output] if inside and output.suffix.lower() != ".csv" else []


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    from tqdm import tqdm  # noqa: PLC0415 - help screens need no progress bar

    with tqdm(unit="image", file=unguarded(sys.stderr), disable=None, leave=False) as bar:

        def after_each(_done: int, total: int) -> None:
            bar.total = total
            bar.update()

        yield after_each
