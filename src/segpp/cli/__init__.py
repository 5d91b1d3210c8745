"""The command line: finds the verbs and turns errors into exit codes.

Each verb is a module of this folder, found by scanning it, with ``SUMMARY`` (its first help line),
``GROUP`` and ``ORDER`` (where the overview lists it), ``EXAMPLES``, ``add_arguments``, ``run``;
``RENAMED`` maps flags that had another name to the one they have. A verb's module is imported only
when it is called, and must import anything heavy inside ``run``, so that every help screen works on
every machine. Commands hold no logic of their own: they parse, call a stage, and print.
"""

import argparse
import logging
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, NoReturn, Protocol, cast

from tqdm import tqdm

from segpp import __version__
from segpp.cli._options.arguments import check_flags, flags_with_value, in_flags, renamed
from segpp.errors import InputError, MissingError, PictureWarning, SegppError
from segpp.utils.choices import check_choice
from segpp.utils.process import (
    INTERRUPTED,
    INTERRUPTION,
    clean_up_when_stopped,
    flush_results,
    forget_interrupt,
)
from segpp.utils.terminal import guarded_streams, one_line, unguarded

__all__ = ["GROUPS", "VERBS", "main", "parser_of"]

# Verb to module: ``build-engine`` is build_engine.py.
VERBS = {
    module.name.replace("_", "-"): f"{__name__}.{module.name}"
    for module in iter_modules(__path__)
    if not module.name.startswith("_") and not module.ispkg
}

# In the order in which a person needs them.
GROUPS = ("make a model smaller", "run and measure it", "look into things")

EXIT_STATUS = """exit status:
  0 done; 1 a check failed; 2 wrong usage or input; 3 a package or device is missing;
  130 interrupted"""

_SCRIPT = "segpp-"
_MOST_WARNINGS = 5


class _Verb(Protocol):
    SUMMARY: str
    GROUP: str
    ORDER: int
    EXAMPLES: tuple[str, ...]

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``segpp VERB …`` and return the exit code.

    Args:
        argv: The verb and its arguments; by default the process's own. Started as ``segpp-VERB``,
            the verb is in the program's name.
    """
    with guarded_streams():
        return _flushed(_run(_process_arguments() if argv is None else list(argv)))


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["help"]:
        # ``segpp help`` and ``segpp help run``, as other programs have it.
        arguments = [*arguments[1:2], "--help"]
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(_overview())  # noqa: T201 - the help screen is the result
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(__version__)  # noqa: T201 - the version is the result
        return 0
    try:
        return _run_verb(arguments[0], arguments[1:])
    except SystemExit as end:
        # A help screen or a version, from within argparse.
        return int(end.code or 0)


def _process_arguments() -> list[str]:
    script = Path(sys.argv[0]).stem
    verb = [script.removeprefix(_SCRIPT)] if script.startswith(_SCRIPT) else []
    return [*verb, *sys.argv[1:]]


def parser_of(verb: str) -> argparse.ArgumentParser:
    """Return the argument parser of one verb."""
    module = _module(verb)
    parser = _Parser(
        prog=f"segpp-{verb}",
        description=module.SUMMARY,
        epilog=_epilog(module.EXAMPLES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    module.add_arguments(parser)
    messages = parser.add_argument_group("messages")
    messages.add_argument("-v", "--verbose", action="store_true", help="say more; show tracebacks")
    messages.add_argument(
        "--version", action="version", version=__version__, help="print the version and exit"
    )
    messages.add_argument("-h", "--help", action="help", help="print this and exit")
    return parser


class _Parser(argparse.ArgumentParser):
    """Reports a wrong argument as every other error, in one sentence."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message, hint=f"{self.prog} -h lists the arguments")


def _run_verb(verb: str, arguments: Sequence[str]) -> int:
    verbose = bool({"-v", "--verbose"} & set(arguments))
    try:
        with clean_up_when_stopped(), _warnings_told():
            check_choice(verb, VERBS, kind="command")
            args = _parse(verb, arguments)
            _set_up_log(verbose=verbose)
            return _module(verb).run(args)
    except SegppError as failure:
        return _report(in_flags(str(failure)), failure.exit_code, verbose=verbose)
    except KeyboardInterrupt:
        forget_interrupt()
        return _report(INTERRUPTION, INTERRUPTED, verbose=False)
    except ModuleNotFoundError as failure:
        missing = _missing(failure)
        return _report(str(missing), missing.exit_code, verbose=verbose)
    except (MemoryError, OSError) as failure:
        return _unforeseen(failure, verbose=verbose)


def _set_up_log(*, verbose: bool) -> None:
    """Let -v show what segpp says, and of other packages errors alone."""
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    logging.getLogger("segpp").setLevel(logging.DEBUG if verbose else logging.NOTSET)


@contextmanager
def _warnings_told() -> Iterator[None]:
    """Say on stderr what the library warns of: the first few of many pictures."""
    count = 0

    def tell(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        nonlocal count
        if not issubclass(category, PictureWarning):
            others(message, category, *where, **more)
            return
        count += 1
        if count <= _MOST_WARNINGS:
            said = in_flags(str(message))
            tqdm.write(f"warning: {one_line(said)}", file=unguarded(sys.stderr))
        elif count == _MOST_WARNINGS + 1:
            tqdm.write("warning: and so on", file=unguarded(sys.stderr))

    with warnings.catch_warnings():
        others = warnings.showwarning
        warnings.simplefilter("always", PictureWarning)
        warnings.showwarning = tell
        yield


def _unforeseen(failure: MemoryError | OSError, *, verbose: bool) -> int:
    # The last net: what can be foreseen has a better message where it happens.
    if isinstance(failure, BrokenPipeError):
        # The reader of our output went away (head, less): not a failure of ours.
        return 0
    problem = f"it takes more memory than there is {failure}".strip()
    if isinstance(failure, OSError):
        where = f"{failure.filename}: " if failure.filename else ""
        problem = f"{where}{failure.strerror or failure}"
    return _report(problem, InputError.exit_code, verbose=verbose)


def _flushed(code: int) -> int:
    if failure := flush_results():
        problem = f"cannot write the results: {failure.strerror}"
        return _report(problem, InputError.exit_code, verbose=False)
    return code


def _report(message: str, code: int, *, verbose: bool) -> int:
    # With a closed terminal there is nobody to tell, and still an exit code to give.
    with suppress(OSError):
        if verbose:
            traceback.print_exc()
        print(f"error: {message}", file=sys.stderr)  # noqa: T201 - the command's own message
    return code


def _missing(failure: ModuleNotFoundError) -> MissingError:
    from segpp.runtime.system.packages import extra_of  # noqa: PLC0415 - only after a failure

    package = (failure.name or "?").partition(".")[0]
    extra = extra_of(package)
    if extra is None:
        raise failure
    return MissingError(
        f"the package {package} is not installed", hint=f"pip install 'segpp[{extra}]'"
    )


def _module(verb: str) -> _Verb:
    return cast("_Verb", import_module(VERBS[verb]))


def _parse(verb: str, arguments: Sequence[str]) -> argparse.Namespace:
    parser = parser_of(verb)
    names = cast("Mapping[str, str]", getattr(_module(verb), "RENAMED", {}))
    current = renamed(arguments, names, takes_value=flags_with_value(parser))
    # argparse cannot tell the value of an unknown flag from an argument, and blames others.
    check_flags(parser, current)
    return parser.parse_args(current)


def _overview() -> str:
    usage = "usage: segpp VERB … (segpp-VERB is the same; -h after a verb explains it)"
    return "\n\n".join([usage, *map(_group_lines, GROUPS), EXIT_STATUS])


def _group_lines(group: str) -> str:
    members = (verb for verb in VERBS if group == _module(verb).GROUP)
    verbs = sorted(members, key=lambda verb: _module(verb).ORDER)
    return "\n".join([f"{group}:", *(f"  segpp {v:<13} {_module(v).SUMMARY}" for v in verbs)])


def _epilog(examples: tuple[str, ...]) -> str:
    return "\n".join(["examples:", *(f"  {line}" for line in examples), "", EXIT_STATUS])
