"""``segpp-distill``: weights that bear a reduction better, learned without labels."""

import argparse
from pathlib import Path

import segpp
from segpp.cli._options.arguments import add_force_argument, add_json_argument
from segpp.cli._options.reading import (
    add_feeding,
    add_label_map_argument,
    add_reading,
    ignored_labels,
)
from segpp.cli._options.training import (
    add_choosing,
    add_length,
    add_machine,
    add_rest,
    add_trained_reduction,
    tell_result,
    training_of,
)
from segpp.train.report import DistillFailedError, DistillResult

__all__ = ["EXAMPLES", "GROUP", "ORDER", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Train a checkpoint to lose less by a reduction: it teaches itself, without labels."
GROUP = "make a model smaller"
ORDER = 2

EXAMPLES = (
    "segpp-distill model.pth frames -o student.pth --preset fast --size 512x1024",
    "segpp-distill model.pth frames -o student.pth --preset fast --minutes 120 --eval camvid",
    "segpp-distill segformer-b0/ frames -o student --ratio 0.8 --steps 2000",
    "segpp-distill model.pth frames -o student.pth --preset hq --reduce 3.hidden=fixed:keep=0.5",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options, in the order in which a person decides."""
    model = parser.add_argument_group("model")
    model.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="weights to read: .pth, .pt, .bin, .safetensors or a Hugging Face folder",
    )
    model.add_argument(
        "pictures",
        nargs="+",
        metavar="IMAGES",
        help="pictures as the camera gives them: folders, quoted patterns, lists (.txt), files; or "
        "folders of data sets, whose labels are for scoring alone",
    )
    model.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="OUT",
        help="checkpoint to write, laid out as CHECKPOINT is; what was done goes beside it, and "
        "while it trains OUT.resume",
    )
    model.add_argument(
        "--size",
        metavar="HxW",
        help="input in pixels, as the export will have it (default: the checkpoint's own, else "
        "512x1024)",
    )
    model.add_argument(
        "--checkpoint-format",
        metavar="NAME",
        help="whose checkpoint it is, where the keys do not tell",
    )
    add_force_argument(model)
    add_feeding(add_reading(parser))
    add_trained_reduction(parser)
    _add_training(parser)
    _add_scoring(parser)
    add_machine(parser)
    add_json_argument(parser.add_argument_group("results"), "what was done and measured")


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = add_length(parser)
    group.add_argument(
        "--mask-weight",
        type=float,
        default=1.0,
        metavar="W",
        help="of the masks' divergence in the loss (default: 1.0)",
    )
    group.add_argument(
        "--stage-weight",
        type=float,
        default=1.0,
        metavar="W",
        help="of the relative error of what the stages, of a plain ViT the blocks, give in the "
        "loss (default: 1.0)",
    )
    group.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="by which logits are divided before masks are compared (default: 1.0)",
    )
    group.add_argument(
        "--stages-alone",
        type=float,
        default=0.0,
        metavar="S",
        help="share of the training, at its beginning, in which the stages' outputs alone are "
        "learned, and then masks too (default: 0)",
    )
    add_rest(group)


def _add_scoring(parser: argparse.ArgumentParser) -> None:
    group = add_choosing(parser)
    group.add_argument(
        "--eval",
        type=Path,
        dest="eval_folder",
        metavar="DIR",
        help="data set to score teacher and student by, in mIoU (default: the pictures held back, "
        "where IMAGES is a data set)",
    )
    group.add_argument(
        "--split", metavar="NAME", help="part of the data set (default: the one for validation)"
    )
    add_label_map_argument(group)
    group.add_argument(
        "--ignore",
        metavar="N,…",
        help="labels whose pixels do not count (default: the model's, and 255)",
    )


def run(args: argparse.Namespace) -> int:
    """Distil and report; also of a student that got no better."""
    try:
        result = _distilled(args)
    except DistillFailedError as failure:
        tell_result(failure.result, as_json=args.json)
        raise
    tell_result(result, as_json=args.json)
    return 0


def _distilled(args: argparse.Namespace) -> DistillResult:
    return segpp.distill(
        args.checkpoint,
        args.pictures,
        args.out,
        mask_weight=args.mask_weight,
        stage_weight=args.stage_weight,
        stages_alone=args.stages_alone,
        eval_folder=args.eval_folder,
        split=args.split,
        label_map=args.label_map,
        ignore=ignored_labels(args.ignore),
        **training_of(args),
    )
