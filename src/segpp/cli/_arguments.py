"""Arguments that several commands share, and names that arguments had before.

A group is added by one function, and another turns what was typed into what the library takes, so
that a flag has one spelling, one default and one help text everywhere.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "add_backend_arguments",
    "add_json_argument",
    "backend_settings",
    "memory_size",
    "renamed",
]

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def add_backend_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the arguments that say which library runs a network and how; return their group."""
    group = parser.add_argument_group("backend")
    group.add_argument(
        "--backend",
        default="auto",
        metavar="NAME",
        help="library that runs it: onnxruntime, openvino, auto (default: auto, onnxruntime "
        "where it is installed)",
    )
    group.add_argument("--provider", metavar="NAME", help="onnxruntime's: cpu, cuda, … (cpu)")
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="CPU threads (default: the library's choice, or the CPUs that this process may use)",
    )
    group.add_argument(
        "--precision",
        default="fp32",
        metavar="NAME",
        help="what the file's FP32 is computed in: fp32, or bf16 with openvino on CPUs that have "
        "it (default: fp32)",
    )
    group.add_argument(
        "--no-cache",
        action="store_true",
        help="do not keep what openvino compiles in MODEL.onnx.cache/ beside the file",
    )
    group.add_argument(
        "--output-name",
        metavar="NAME",
        help="output to make masks of, where a file has several (default: labels, else logits)",
    )
    return group


def backend_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what those arguments mean to ``segpp.load``."""
    return {
        "backend": args.backend,
        "provider": args.provider,
        "threads": args.threads,
        "precision": args.precision,
        "cache": not args.no_cache,
        "output_name": args.output_name,
    }


def add_json_argument(group: Any, what: str) -> None:
    """Add ``--json`` to a parser or group of one.

    Args:
        what: What is printed that way ("the scores").
    """
    group.add_argument("--json", action="store_true", help=f"print {what} as JSON")


def memory_size(text: str) -> int:
    """Return ``512M`` or ``2G`` in bytes.

    Raises:
        argparse.ArgumentTypeError: It is something else.
    """
    match = re.fullmatch(r"(\d{1,6})([KMG])", text)
    if match is None or int(match[1]) == 0:
        problem = f"{text!r:.80} is not a size: a whole number and K, M or G, as 512M or 2G"
        raise argparse.ArgumentTypeError(problem)
    return int(match[1]) * _UNITS[match[2]]


def renamed(arguments: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Return the arguments with every old name of a flag replaced, each with a warning on stderr.

    Args:
        names: Old name to new name.
    """
    current: list[str] = []
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*current, *arguments[place:]]
        old, equals, value = argument.partition("=")
        new = names.get(old)
        if new:
            sys.stderr.write(f"warning: {old} is called {new} now, and goes with version 0.3\n")
        current.append(f"{new}{equals}{value}" if new else argument)
    return current
