"""Options on what is read: what a checkpoint does not tell, or tells in two ways; labelled data."""

import argparse
from pathlib import Path
from typing import Any

from segpp.cli._options.arguments import add_picture_arguments
from segpp.datasets.label_maps.base import LABEL_MAPS
from segpp.errors import InputError

__all__ = [
    "add_data_arguments",
    "add_feeding",
    "add_label_map_argument",
    "add_pairing_arguments",
    "add_reading",
    "feeding_of",
    "ignored_labels",
    "reading_of",
]

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
        "--heads",
        type=_counts,
        metavar="H,H,H,H",
        help="attention heads of the four stages; of a plain ViT one number, of all blocks",
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


def add_data_arguments(parser: "argparse._ArgumentGroup") -> None:
    """Declare where labelled pictures are."""
    parser.add_argument(
        "--dataset",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="folder of a known layout: Cityscapes, VOC, ADE20K, CamVid, LoveDA, UAVid, Mapillary "
        "Vistas, COCO-Stuff, KITTI, or images beside labels; more than once for one score over all",
    )
    parser.add_argument(
        "--split", metavar="NAME", help="part of it (default: the one for validation)"
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        type=Path,
        help="instead: a folder of images, or a pattern in quotes, 'runs/*/rgb/*.png'",
    )
    parser.add_argument(
        "--labels",
        metavar="DIR",
        type=Path,
        help="folder or pattern of files of class numbers or of the classes' colours, named like "
        "the images",
    )
    parser.add_argument(
        "--list",
        dest="listed",
        metavar="FILE",
        type=Path,
        help="only what a file names: a name on each line, or an image and its labels",
    )


def add_label_map_argument(parser: "argparse._ArgumentGroup") -> None:
    """Declare what the numbers of labels stand for."""
    parser.add_argument(
        "--label-map",
        metavar="NAME",
        help=f"class of each number: {', '.join(LABEL_MAPS)}, or a FILE of lines 'number class' "
        "('7 0', '7 ignore'; default: what the layout says)",
    )


def add_pairing_arguments(parser: "argparse._ArgumentGroup") -> None:
    """Declare which ends the names of images and their labels have each for themselves."""
    for side in ("image", "label"):
        parser.add_argument(
            f"--{side}-suffix",
            metavar="TEXT",
            default="",
            help=f"end of the {side} names that their partners lack",
        )


def ignored_labels(text: str | None) -> frozenset[int] | None:
    """Return the labels of ``--ignore 11,255``, None as None.

    Raises:
        InputError: They are no such list.
    """
    if text is None:
        return None
    try:
        labels = frozenset(int(part) for part in text.split(",") if part.strip())
    except ValueError as failure:
        raise InputError(
            f"--ignore {text!r} is no list of labels", hint="for example --ignore 11,255"
        ) from failure
    return labels
