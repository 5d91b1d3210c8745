"""``segpp-train``: weights that bear a reduction better, or are better at all, by labels."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import segpp
from segpp.cli._options.arguments import add_force_argument, add_json_argument
from segpp.cli._options.reading import (
    add_feeding,
    add_label_map_argument,
    add_pairing_arguments,
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
from segpp.errors import InputError
from segpp.train.report import (
    FineTuneFailedError,
    FineTuneResult,
    PolicyFailedError,
    PolicyResult,
)

__all__ = ["EXAMPLES", "GROUP", "ORDER", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Train a checkpoint on by labels, with fewer tokens and channels or with all."
GROUP = "make a model smaller"
ORDER = 3

# What a policy alone has none of, and its usual values.
_OF_ALL: Mapping[str, object] = {
    "--preset": None,
    "--ratio": None,
    "--reduce": [],
    "--match-interval": 1,
    "--distil-weight": 0.0,
    "--temperature": 1.0,
    "--gate-weight": None,
    "--auxiliary-weight": None,
    "--eval": None,
}

EXAMPLES = (
    "segpp-train model.pth images labels -o tuned.pth --preset fast --size 512x1024",
    "segpp-train model.pth camvid -o tuned.pth --ignore 11,255 --minutes 120",
    "segpp-train segformer-b0/ images labels -o tuned --ratio 0.8 --distil-weight 1",
    "segpp-train segmenter/checkpoint.pth images labels -o shared/policy.pth --policy",
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
        "images",
        type=Path,
        metavar="IMAGES",
        help="a folder of pictures, or a pattern in quotes; or the folder of a data set of a known "
        "layout",
    )
    model.add_argument(
        "labels",
        nargs="?",
        type=Path,
        metavar="LABELS",
        help="folder or pattern of files of class numbers or of the classes' colours, named like "
        "the images; a data set has its own",
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
    _add_labels(parser)
    add_trained_reduction(parser)
    _add_policy(parser)
    _add_training(parser)
    add_choosing(parser)
    add_machine(parser)
    add_json_argument(parser.add_argument_group("results"), "what was done and measured")


def _add_labels(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("labels")
    add_pairing_arguments(group)
    add_label_map_argument(group)
    group.add_argument(
        "--ignore",
        metavar="N,…",
        help="labels whose pixels do not count (default: the model's, and 255)",
    )
    group.add_argument(
        "--eval",
        type=Path,
        dest="eval_folder",
        metavar="DIR",
        help="data set to score by in the report (default: the pictures held back)",
    )
    group.add_argument(
        "--split",
        metavar="NAME",
        help="part of the data set (default: train, and of --eval the one for validation)",
    )


def _add_policy(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a policy, by which patches of a plain ViT share tokens")
    group.add_argument(
        "--policy",
        action="store_true",
        help="train a policy alone, and write CHECKPOINT with it: which superpatches of 2x2 "
        "patches hold one class",
    )
    group.add_argument(
        "--policy-weights",
        type=Path,
        metavar="FILE",
        help="of timm's efficientnet_lite0, or of a policy alone, to begin with (default: drawn)",
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = add_length(parser)
    group.add_argument(
        "--distil-weight",
        type=float,
        default=0.0,
        metavar="W",
        help="of the divergence from the masks of CHECKPOINT as it is in the loss (default: 0)",
    )
    group.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="by which logits are divided before these are compared (default: 1.0)",
    )
    add_rest(group)


def run(args: argparse.Namespace) -> int:
    """Train and report; also of weights that got no better."""
    try:
        result = _with_policy(args) if _is_for_policy(args) else _trained(args)
    except (FineTuneFailedError, PolicyFailedError) as failure:
        tell_result(failure.result, as_json=args.json)
        raise
    tell_result(result, as_json=args.json)
    return 0


def _is_for_policy(args: argparse.Namespace) -> bool:
    """Return whether a policy is to be trained, alone.

    Raises:
        InputError: Something is given that is of the other training.
    """
    if not args.policy:
        if args.policy_weights is not None:
            raise InputError("--policy-weights is what a policy begins with", hint="add --policy")
        return False
    for option, usual in _OF_ALL.items():
        name = option.removeprefix("--").replace("-", "_")
        if getattr(args, {"eval": "eval_folder"}.get(name, name)) != usual:
            raise InputError(
                f"--policy trains a policy alone, and {option} is of the whole network",
                hint="train the policy first, and the network with it: "
                "--reduce embed.patches=policy:ratio=0.4",
            )
    return True


def _with_policy(args: argparse.Namespace) -> PolicyResult:
    given = training_of(args)
    for option in _OF_ALL:
        given.pop(option.removeprefix("--").replace("-", "_"), None)
    return segpp.train_policy(
        args.checkpoint,
        args.images,
        args.out,
        labels=args.labels,
        policy_weights=args.policy_weights,
        **_labels_of(args),
        **given,
    )


def _labels_of(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "split": args.split,
        "image_suffix": args.image_suffix,
        "label_suffix": args.label_suffix,
        "label_map": args.label_map,
        "ignore": ignored_labels(args.ignore),
    }


def _trained(args: argparse.Namespace) -> FineTuneResult:
    return segpp.fine_tune(
        args.checkpoint,
        args.images,
        args.out,
        labels=args.labels,
        distil_weight=args.distil_weight,
        eval_folder=args.eval_folder,
        **_labels_of(args),
        **training_of(args),
    )
