"""``segpp-eval``: the command."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from segpp.cli._arguments import add_backend_arguments, backend_settings
from segpp.errors import CheckError, InputError
from segpp.images.preprocess import ImageArray
from segpp.runtime.evaluation import Evaluation, Segmenter, evaluate
from segpp.runtime.evaluation.dataset import Pair, find_pairs
from segpp.runtime.evaluation.report import Report
from segpp.runtime.inference.session import Session, open_session
from segpp.utils.files import atomic_write, check_writable

__all__ = ["EXAMPLES", "GROUP", "RENAMED", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Measure mIoU and pixel accuracy over labelled images, for one or several models."
GROUP = "run and measure it"

# What flags were called before, and what they are called now.
RENAMED = {
    "--engine": "--backend",
    "--data": "--dataset",
}

EXAMPLES = (
    "segpp-eval b0.onnx --images val/images --labels val/labels",
    "segpp-eval b0.onnx b0-fast.onnx --dataset val --ignore 11,255 --csv scores.csv",
    (
        "segpp-eval b5.onnx --images leftImg8bit/val --image-suffix _leftImg8bit "
        "--labels gtFine/val --label-suffix _gtFine_labelTrainIds"
    ),
)

_RULES = """IoU = pixels of both / pixels of either, over all images together; mIoU is the mean over
the classes that occur in the labels or in the prediction. Logits are resized bilinearly to the
labels' size before the argmax; a model that gives labels only is resized to the nearest."""

# Nearly every data set marks pixels without a class like this.
_USUALLY_IGNORED = 255


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.description = f"{SUMMARY}\n\n{_RULES}"
    parser.add_argument(
        "models",
        metavar="MODEL",
        nargs="+",
        type=Path,
        help="ONNX file or engine; the others are compared with the first",
    )
    _add_data(parser)
    add_backend_arguments(parser)
    results = parser.add_argument_group("results")
    results.add_argument("--json", action="store_true", help="print the scores as JSON")
    results.add_argument("--csv", metavar="FILE", type=Path, help="also write one row per model")


def _add_data(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("data")
    data.add_argument("--images", metavar="DIR", type=Path, help="folder of images")
    data.add_argument(
        "--labels",
        metavar="DIR",
        type=Path,
        help="folder of images of class numbers (one channel, or a palette's indices), "
        "named like the images",
    )
    data.add_argument(
        "--dataset",
        metavar="DIR",
        type=Path,
        help="short for --images DIR/images --labels DIR/labels",
    )
    for side in ("image", "label"):
        data.add_argument(
            f"--{side}-suffix",
            metavar="TEXT",
            default="",
            help=f"end of the {side} names that their partners lack",
        )
    data.add_argument(
        "--ignore",
        metavar="N,…",
        help="labels whose pixels do not count (default: the model's, and 255)",
    )
    data.add_argument(
        "--reduce-zero-label",
        action="store_true",
        help="label 0 is no class and the classes start at 1 (ADE20K)",
    )
    data.add_argument("--limit", metavar="N", type=int, help="only the first N images")


def run(args: argparse.Namespace) -> int:
    """Evaluate the models and print their scores."""
    pairs = _pairs(args)
    if args.csv:
        check_writable(args.csv)
    with ExitStack() as stack:
        sessions = [stack.enter_context(_open(path, args)) for path in args.models]
        names = _class_names(args.models, sessions)
        ignored = _ignored(args.ignore, sessions)
        evaluation = _evaluate(args, sessions, pairs, len(names), ignored)
    for problem in evaluation.skipped:
        print(f"skipped: {problem}", file=sys.stderr)  # noqa: T201 - a message of the command
    report = Report(evaluation, _short(args.models), names, ignored)
    if args.csv:
        with atomic_write(args.csv) as (part,):
            part.write_text(report.csv(), encoding="utf-8")
    print(report.json() if args.json else report.text())  # noqa: T201 - the result
    return CheckError.exit_code if evaluation.skipped else 0


def _pairs(args: argparse.Namespace) -> tuple[Pair, ...]:
    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit {args.limit} leaves no image")
    images, labels = args.images, args.labels
    if args.dataset and not (images or labels):
        images, labels = args.dataset / "images", args.dataset / "labels"
    elif args.dataset or not (images and labels):
        raise InputError(
            "say where the data is", hint="--images DIR --labels DIR, or --dataset DIR"
        )
    suffixes = {"image_suffix": args.image_suffix, "label_suffix": args.label_suffix}
    return find_pairs(images, labels, **suffixes)[: args.limit]


def _open(path: Path, args: argparse.Namespace) -> Session:
    return open_session(
        path,
        **backend_settings(args),
        # The threads of a model that waits for its turn would slow the others down.
        alone=len(args.models) == 1,
        # What a precision costs is what is measured here.
        min_agreement=None,
    )


def _class_names(paths: Sequence[Path], sessions: Sequence[Session]) -> tuple[str, ...]:
    """Return the names that the models agree on; numbers stand in where a manifest is missing."""
    known = [i for i, session in enumerate(sessions) if not session.assumed]
    one = known[0] if known else 0
    names = sessions[one].classes.names
    for path, session in zip(paths, sessions, strict=True):
        theirs = session.classes.names
        if len(theirs) != len(names):
            raise InputError(
                f"{path} has {len(theirs)} classes, {paths[one]} has {len(names)}",
                hint="only models of the same classes can be compared",
            )
        if theirs != names and not session.assumed:
            mine, other = next(pair for pair in zip(names, theirs, strict=True) if len({*pair}) > 1)
            print(  # noqa: T201 - a message of the command
                f"note: {path} calls {other!r} what {paths[one]} calls {mine!r}", file=sys.stderr
            )
    return names


def _ignored(text: str | None, sessions: Sequence[Session]) -> frozenset[int]:
    if text is None:
        return frozenset({*(s.classes.ignore for s in sessions), _USUALLY_IGNORED})
    try:
        labels = frozenset(int(part) for part in text.split(",") if part.strip())
    except ValueError as failure:
        raise InputError(
            f"--ignore {text!r} is no list of labels", hint="for example --ignore 11,255"
        ) from failure
    if labels and min(labels) < 0:
        raise InputError(f"--ignore {text!r}: labels are not negative")
    return labels


def _evaluate(
    args: argparse.Namespace,
    sessions: Sequence[Session],
    pairs: Sequence[Pair],
    classes: int,
    ignored: frozenset[int],
) -> Evaluation:
    from tqdm import tqdm  # noqa: PLC0415 - help screens need no progress bar

    models = [_segmenter(path, s) for path, s in zip(args.models, sessions, strict=True)]
    with tqdm(total=len(pairs), unit="image", file=sys.stderr, disable=None, leave=False) as bar:
        return evaluate(
            models,
            pairs,
            classes=classes,
            ignored=ignored,
            reduce_zero_label=args.reduce_zero_label,
            after_each=bar.update,
        )


def _segmenter(path: Path, session: Session) -> Segmenter:
    def labels_of(image: ImageArray) -> NDArray[Any]:
        try:
            return session(image).labels[0]
        except CheckError as failure:
            raise CheckError(f"{path}: {failure}") from failure

    return labels_of


def _short(paths: Sequence[Path]) -> tuple[str, ...]:
    for names in ([path.stem for path in paths], [path.name for path in paths]):
        if len(set(names)) == len(names):
            return tuple(names)
    return tuple(map(str, paths))
