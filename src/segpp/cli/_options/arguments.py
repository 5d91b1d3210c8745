"""Arguments that several commands share, and names that arguments had before.

A group is added by one function, and another turns what was typed into what the library takes, so
that a flag has one spelling, one default and one help text everywhere.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import takewhile
from typing import Any

import segpp
from segpp.errors import InputError
from segpp.runtime.backends.base import BACKENDS
from segpp.utils.terminal import one_line

__all__ = [
    "add_backend_arguments",
    "add_fit_arguments",
    "add_force_argument",
    "add_json_argument",
    "add_picture_arguments",
    "backend_settings",
    "band_numbers",
    "check_flags",
    "fit_settings",
    "flags_with_value",
    "in_flags",
    "memory_size",
    "picture_settings",
    "renamed",
    "wrote",
]

_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

# Where a flag is not the argument's name with hyphens, or there is none.
_OTHERWISE = {
    "rewrites_off": "--no-rewrite",
    "compute_capabilities": "--compute-capability",
    "made_for": "--for",
    "serve_for": "--for",
    "listed": "--list",
    "eval_folder": "--eval",
}
_OPPOSITES = {
    "`check=False`": "--no-check",
    "`cache=False`": "--no-cache",
    "`cuda_graph=False`": "--no-cuda-graph",
    "`only_what_pays=False`": "--no-timing",
    "`equalize=False`": "--no-equalize",
    "`correct_biases=False`": "--no-bias-correction",
}
_POSITIONAL = {"checkpoint", "model", "models", "onnx", "output", "path", "pictures", "source"}


def add_backend_arguments(
    parser: argparse.ArgumentParser, *, certified: bool = False
) -> argparse._ArgumentGroup:
    """Add the arguments that say which library runs a network and how; return their group.

    Args:
        certified: Whether files have a certificate, which says of which output masks are made
            and what the file is.
    """
    group = parser.add_argument_group("backend")
    group.add_argument(
        "--backend",
        default="auto",
        metavar="NAME",
        help=f"library that runs it: {', '.join(BACKENDS)}, auto (default: auto, onnxruntime "
        "where it is installed, and of an engine the library that built it)",
    )
    group.add_argument(
        "--provider",
        metavar="NAME",
        help="onnxruntime's: cpu, cuda, tensorrt, nv-tensorrt-rtx (default: cuda where a GPU "
        "answers and this onnxruntime has it, else cpu)",
    )
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
        help="do not keep what a library compiles in MODEL.onnx.cache/ beside the file",
    )
    if not certified:
        group.add_argument(
            "--output-name",
            metavar="NAME",
            help="output to make masks of, where a file has several (default: labels, else logits)",
        )
    if not certified:
        _add_engine_arguments(parser)
    return group


def _add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("engines")
    group.add_argument(
        "--trust",
        action="store_true",
        help="load an engine that has no manifest: it is code, so only one whose builder you know",
    )
    group.add_argument(
        "--rebuild-if-stale",
        action="store_true",
        help="build an engine for another version, GPU or plugin library again, of the ONNX file "
        "beside it that it was built from",
    )
    group.add_argument(
        "--no-cuda-graph",
        action="store_true",
        help="launch an engine's kernels one by one",
    )


def backend_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what those arguments mean to ``segpp.load``."""
    settings: dict[str, Any] = {
        "backend": args.backend,
        "provider": args.provider,
        "threads": args.threads,
        "precision": args.precision,
        "cache": not args.no_cache,
    }
    if "output_name" in args:
        settings["output_name"] = args.output_name
    if "trust" in args:
        settings["trust"] = args.trust
        settings["cuda_graph"] = not args.no_cuda_graph
        settings["rebuild_if_stale"] = args.rebuild_if_stale
    return settings


def add_fit_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the arguments that say how images fill a network's input; return their group."""
    group = parser.add_argument_group("images of other sizes")
    group.add_argument(
        "--fit",
        metavar="NAME",
        help="stretch, letterbox (keeps the shape, pads right and below), crop (cuts: no class "
        "outside) (default: as the file's manifest says)",
    )
    group.add_argument(
        "--tile",
        action="store_true",
        help="cut images into tiles of the network's size at their own resolution instead, and "
        "blend the logits where they overlap",
    )
    group.add_argument(
        "--overlap",
        type=float,
        metavar="X",
        help="share of a side that neighbouring tiles have in common, 0 to 0.9 (default: 0.25)",
    )
    return group


def fit_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what those arguments mean to ``segpp.load``."""
    return {"fit": args.fit, "tile": args.tile, "overlap": args.overlap}


def add_picture_arguments(group: Any, *, default: str = "as the file's manifest says") -> None:
    """Add the arguments that say how picture files are read to a parser or group of one.

    Args:
        default: What is done without them.
    """
    group.add_argument(
        "--white",
        metavar="N",
        help="value that is white in pictures of more than 8 bits: a number, max (what the type "
        f"holds at most) or auto (above nearly all of the picture) (default: {default})",
    )
    group.add_argument(
        "--bands",
        type=band_numbers,
        metavar="N,…",
        help="bands of a picture that the network takes, counted from 1, as 3,2,1 "
        f"(default: {default})",
    )


def picture_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what those arguments mean to the library."""
    return {"white": args.white, "bands": args.bands}


def band_numbers(text: str) -> tuple[int, ...]:
    """Return ``3,2,1`` as numbers.

    Raises:
        argparse.ArgumentTypeError: It is something else.
    """
    if not re.fullmatch(r"\d{1,4}(,\d{1,4})*", text):
        problem = f"{text!r:.80} are no bands: numbers from 1, as 3,2,1"
        raise argparse.ArgumentTypeError(problem)
    return tuple(map(int, text.split(",")))


def add_json_argument(group: Any, what: str) -> None:
    """Add ``--json`` to a parser or group of one.

    Args:
        what: What is printed that way ("the scores").
    """
    group.add_argument("--json", action="store_true", help=f"print {what} as JSON")


def add_force_argument(group: Any) -> None:
    """Add ``--force`` to a parser or group of one."""
    group.add_argument(
        "--force",
        action="store_true",
        help="replace files that segpp did not write, too; never one that is read",
    )


def memory_size(text: str) -> int:
    """Return ``512M`` or ``2G`` in bytes.

    Raises:
        argparse.ArgumentTypeError: It is something else.
    """
    match = re.fullmatch(r"([0-9]{1,6})([KMG])", text)
    if match is None or int(match[1]) == 0:
        problem = f"{text!r:.80} is not a size: a whole number and K, M or G, as 512M or 2G"
        raise argparse.ArgumentTypeError(problem)
    return int(match[1]) * _UNITS[match[2]]


def wrote(files: Iterable[object]) -> None:
    """Say on stderr which files were written besides the printed result; None is none."""
    sys.stderr.writelines(f"wrote {one_line(str(file))}\n" for file in files if file)


def renamed(
    arguments: Sequence[str], names: Mapping[str, str], *, takes_value: Collection[str] = ()
) -> list[str]:
    """Return the arguments with every old name of a flag replaced, each with a warning on stderr.

    Args:
        arguments: As they were typed.
        names: Old name to new name.
        takes_value: The flags (new names) behind which a value stands, which is no flag.

    Raises:
        InputError: A flag was given under both of its names.
    """
    current: list[str] = []
    given: dict[str, str] = {}
    is_value = False
    for place, argument in enumerate(arguments):
        if argument == "--":
            return [*current, *arguments[place:]]
        typed, equals, value = argument.partition("=")
        flag = typed if is_value else names.get(typed, typed)
        if flag != typed:
            sys.stderr.write(f"warning: {typed} is called {flag} now, and goes with version 0.3\n")
        current.append(flag + equals + value)
        if flag in names.values() and not is_value and given.setdefault(flag, typed) != typed:
            old = min(typed, given[flag], key=lambda name: name == flag)
            raise InputError(f"{old} and {flag} are one flag and were both given")
        is_value = flag in takes_value and not equals and not is_value
    return current


def flags_with_value(parser: argparse.ArgumentParser) -> frozenset[str]:
    """Return the flags of a parser behind which a value stands."""
    actions = parser._actions  # noqa: SLF001 - argparse tells them nowhere else
    return frozenset(
        flag for action in actions if action.nargs != 0 for flag in action.option_strings
    )


def in_flags(message: str) -> str:
    """Return a message of the library with flags where it names arguments of the Python API."""
    functions = [getattr(segpp, name) for name in segpp.__all__]
    known = {
        name
        for function in functions
        if inspect.isfunction(function)
        for name in inspect.signature(function).parameters
    }

    def flag_of(found: "re.Match[str]") -> str:
        name, value = found[1], found[2]
        if name not in known:
            return found[0]
        if found[0] in _OPPOSITES:
            return _OPPOSITES[found[0]]
        if name in _POSITIONAL:
            return found[0].strip("`")
        flag = _OTHERWISE.get(name, f"--{name.replace('_', '-')}")
        # A flag that is on or off takes no value: behind "--restart True" stands an argument.
        return flag if value in {None, "True"} else f"{flag} {value}"

    return re.sub(r"`([a-z_]+)(?:=([^`]*))?`", flag_of, message)


def check_flags(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """Raise InputError for the first flag that the parser does not know, and propose the nearest.

    Args:
        arguments: As typed, the flags' values among them.
    """
    actions = parser._actions  # noqa: SLF001 - argparse has no other list of them
    known = {flag for action in actions for flag in action.option_strings}
    shown = {flag for a in actions if a.help != argparse.SUPPRESS for flag in a.option_strings}
    for argument in takewhile(lambda word: word != "--", arguments):
        flag = argument.partition("=")[0]
        if _is_flag(flag) and flag not in known:
            raise InputError(
                f"unknown argument {flag:.80}", hint=_nearest(flag, shown, parser.prog)
            )


def _is_flag(word: str) -> bool:
    # As argparse decides: negative numbers are values, and so is "-" (stdin).
    return bool(re.fullmatch(r"-(?!\d|\.\d)\S+", word))


# What other programs call it.
_ELSEWHERE = {"--device": "--provider", "--gpu": "--provider cuda", "--output": "--out"}


def _nearest(flag: str, known: Collection[str], program: str) -> str:
    other = _ELSEWHERE.get(flag, "")
    if other.partition(" ")[0] in known:
        return f"did you mean {other}?"
    # Without the dashes, which all have and which would make everything alike.
    names = {name.lstrip("-"): name for name in known}
    near = get_close_matches(flag.lstrip("-").lower(), names, n=1)
    return f"did you mean {names[near[0]]}?" if near else f"{program} -h lists the arguments"
