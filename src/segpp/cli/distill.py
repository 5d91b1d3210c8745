"""``segpp-distill``: weights that bear a reduction better, learned without labels."""

import argparse
import os
import sys
from pathlib import Path

import segpp
from segpp.cli._arguments import add_force_argument, add_json_argument
from segpp.cli._options.merging import match_interval
from segpp.cli._options.reading import (
    add_feeding,
    add_label_map_argument,
    add_reading,
    feeding_of,
    ignored_labels,
    reading_of,
)
from segpp.train.config import GATE_WEIGHT
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
    _add_reduction(parser)
    _add_training(parser)
    _add_choosing(parser)
    _add_machine(parser)
    add_json_argument(parser.add_argument_group("results"), "what was done and measured")


def _add_reduction(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("fewer tokens and channels, as the export will have it")
    group.add_argument(
        "--preset",
        metavar="NAME",
        help="hq, fast or 2x2, as in the paper, or deep; even of a plain ViT",
    )
    group.add_argument(
        "--ratio", type=float, metavar="R", help="instead: share of tokens merged away"
    )
    group.add_argument(
        "--reduce",
        action="append",
        default=[],
        metavar="SITE=METHOD",
        help="one site, STAGE.{q,kv,ffn,grid} or head.grid, or channels, STAGE.{hidden,qkv}, of a "
        "plain ViT BLOCK.{q,kv,tokens}, as SITE=METHOD:KEY=VALUE,... or =none; repeatable",
    )
    group.add_argument(
        "--match-interval",
        type=match_interval,
        default=1,
        metavar="N",
        help="use the match of one block in the next N-1 of its stage too; a number, not auto "
        "(default: 1)",
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    group.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="time for it, over all starts, checks included (default: 30)",
    )
    group.add_argument("--steps", type=int, metavar="N", help="instead: updates of the weights")
    group.add_argument(
        "--batch",
        type=int,
        default=4,
        metavar="N",
        help="pictures for one update, over all processes (default: 4)",
    )
    group.add_argument(
        "--learning-rate",
        type=float,
        default=2e-4,
        metavar="R",
        help="AdamW's highest; it warms up and falls by half a cosine (default: 0.0002)",
    )
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
        help="of the relative error of what the stages, of a plain ViT the blocks, give in the loss (default: 1.0)",
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
    group.add_argument(
        "--gate-weight",
        type=float,
        metavar="W",
        help="with dynamic gates: of their mean absolute values, summed over gates, in the loss "
        f"(default: {GATE_WEIGHT:g})",
    )
    group.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="of the order of pictures and how they are varied (default: 0)",
    )
    group.add_argument(
        "--restart",
        action="store_true",
        help="begin anew, where a training that was stopped could go on",
    )


def _add_choosing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("choosing weights, and scoring them")
    group.add_argument(
        "--held-back",
        type=float,
        default=0.15,
        metavar="S",
        help="share of the pictures that weights are chosen by, in runs of neighbours (default: "
        "0.15)",
    )
    group.add_argument(
        "--check-every",
        type=int,
        metavar="N",
        help="steps between two checks (default: as many as pictures are held back, at least 25)",
    )
    group.add_argument(
        "--patience",
        type=int,
        default=10,
        metavar="N",
        help="checks without improvement after which it ends (default: 10)",
    )
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


def _add_machine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machine (several GPUs or machines: start it by torchrun)")
    group.add_argument(
        "--device", default="auto", metavar="NAME", help="auto, cpu or cuda (default: auto)"
    )
    group.add_argument(
        "--precision",
        default="auto",
        metavar="NAME",
        help="of a step: fp32, bf16, on GPUs fp16, or auto: on CPUs what a short trial finds "
        "faster (default: auto)",
    )
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads")


def run(args: argparse.Namespace) -> int:
    """Distil and report; also of a student that got no better."""
    try:
        result = _distilled(args)
    except DistillFailedError as failure:
        _tell(failure.result, args)
        raise
    _tell(result, args)
    return 0


def _distilled(args: argparse.Namespace) -> DistillResult:
    return segpp.distill(
        args.checkpoint,
        args.pictures,
        args.out,
        preset=args.preset,
        ratio=args.ratio,
        reduce=args.reduce,
        match_interval=args.match_interval,
        size=args.size,
        minutes=args.minutes,
        steps=args.steps,
        batch=args.batch,
        learning_rate=args.learning_rate,
        mask_weight=args.mask_weight,
        stage_weight=args.stage_weight,
        temperature=args.temperature,
        stages_alone=args.stages_alone,
        gate_weight=args.gate_weight,
        held_back=args.held_back,
        check_every=args.check_every,
        patience=args.patience,
        seed=args.seed,
        eval_folder=args.eval_folder,
        split=args.split,
        label_map=args.label_map,
        ignore=ignored_labels(args.ignore),
        checkpoint_format=args.checkpoint_format,
        **reading_of(args),
        **feeding_of(args),
        device=args.device,
        precision=args.precision,
        threads=args.threads,
        restart=args.restart,
        force=args.force,
    )


def _tell(result: DistillResult, args: argparse.Namespace) -> None:
    # Of several processes that torchrun started the first one speaks.
    if os.environ.get("RANK", "0") != "0":
        return
    sys.stderr.writelines(f"warning: {warning}\n" for warning in result.warnings)
    print(result.json() if args.json else result.text())  # noqa: T201 - the result
