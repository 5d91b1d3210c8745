"""Options of every training: what is left out, how long, how weights are chosen, where."""

import argparse
import os
import sys
from typing import Any

from segpp.cli._options.arguments import in_flags
from segpp.cli._options.merging import match_interval
from segpp.cli._options.reading import feeding_of, reading_of
from segpp.train.config import AUXILIARY_WEIGHT, GATE_WEIGHT
from segpp.train.report import TrainingResult

__all__ = [
    "add_choosing",
    "add_length",
    "add_machine",
    "add_rest",
    "add_trained_reduction",
    "tell_result",
    "training_of",
]

_COMMON = (
    *("checkpoint_format", "preset", "ratio", "reduce", "match_interval", "size", "minutes"),
    *(
        "steps",
        "batch",
        "learning_rate",
        "temperature",
        "gate_weight",
        "held_back",
        "auxiliary_weight",
    ),
    *("check_every", "patience", "seed", "device", "precision", "threads", "restart", "force"),
)


def training_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return these options, and those on reading, as the arguments of ``segpp.distill``."""
    own = {name: getattr(args, name) for name in _COMMON}
    return {**own, **reading_of(args), **feeding_of(args)}


def add_trained_reduction(parser: argparse.ArgumentParser) -> None:
    """Declare which tokens and channels the student does without."""
    group = parser.add_argument_group("fewer tokens and channels, as the export will have it")
    group.add_argument(
        "--preset",
        metavar="NAME",
        help="hq, fast or 2x2, as in the paper, or deep; even, algm, cts or dovit of a plain ViT",
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


def add_length(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Declare how long is trained, on how much at once; return the group for what is learned."""
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
    return group


def add_rest(group: argparse._ArgumentGroup) -> None:
    """Declare what stands behind the options of a loss."""
    group.add_argument(
        "--gate-weight",
        type=float,
        metavar="W",
        help="with dynamic gates: of their mean absolute values, summed over gates, in the loss "
        f"(default: {GATE_WEIGHT:g})",
    )
    group.add_argument(
        "--auxiliary-weight",
        type=float,
        metavar="W",
        help="with auxiliary heads, by which tokens leave a plain ViT: of what each learns, in the "
        f"loss (default: {AUXILIARY_WEIGHT:g}); lets a network have some that has none",
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


def add_choosing(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Declare how weights are chosen; return the group for labels."""
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
    return group


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Declare what computes, and in what."""
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


def tell_result(result: TrainingResult, *, as_json: bool) -> None:
    """Print what was done; of several processes that torchrun started the first one does."""
    if os.environ.get("RANK", "0") != "0":
        return
    sys.stderr.writelines(f"warning: {in_flags(warning)}\n" for warning in result.warnings)
    print(result.json() if as_json else result.text())  # noqa: T201 - the result
