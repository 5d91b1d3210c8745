"""Options on what a checkpoint does not tell, or tells in two ways."""

import argparse
from typing import Any

from segpp.cli._arguments import add_picture_arguments

__all__ = ["add_feeding", "add_reading", "feeding_of", "reading_of"]

_READING = ("heads", "colors", "prefix", "weights", "ignore_tensors")
_FEEDING = ("mean", "std", "fit", "white", "bands")


def reading_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of ``add_reading`` as the arguments of ``segpp.inspect``."""
    return {name: getattr(args, name) for name in _READING}


def feeding_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of ``add_feeding`` as the arguments of ``segpp.export_onnx``."""
    return {name: getattr(args, name) for name in _FEEDING}


def add_reading(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Declare which network a checkpoint holds; none is needed where the checkpoint tells all."""
    group = parser.add_argument_group("reading the checkpoint (default: what it tells)")
    group.add_argument(
        "--heads", type=_counts, metavar="H,H,H,H", help="attention heads of the four stages"
    )
    group.add_argument(
        "--colors",
        metavar="ORDER",
        help="rgb or bgr, as it was trained on; the file takes RGB either way",
    )
    group.add_argument(
        "--prefix", metavar="NAME", help="which of several networks, by what precedes its names"
    )
    group.add_argument(
        "--weights", default="raw", metavar="W", help="raw, or ema: averaged (default: raw)"
    )
    group.add_argument(
        "--ignore-tensors",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out tensors that the masks do not depend on, as 'adapter.*'; repeatable",
    )
    return group


def add_feeding(group: argparse._ArgumentGroup) -> None:
    """Declare how images become the input that the network was trained on."""
    group.add_argument(
        "--mean", type=_numbers, metavar="R,G,B", help="what is subtracted, on the 0-255 scale"
    )
    group.add_argument("--std", type=_numbers, metavar="R,G,B", help="what it is divided by then")
    group.add_argument(
        "--fit",
        metavar="HOW",
        help="stretch, letterbox or crop pictures of another shape (default: as the checkpoint "
        "says, else letterbox)",
    )
    add_picture_arguments(group, default="what the file says")


def _counts(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        problem = f"{text!r:.80} are no whole numbers with commas between"
        raise argparse.ArgumentTypeError(problem) from None


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        problem = f"{text!r:.80} are no numbers with commas between"
        raise argparse.ArgumentTypeError(problem) from None
