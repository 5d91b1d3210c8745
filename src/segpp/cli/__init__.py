"""The command line: assembles the verbs and turns errors into exit codes.

Each verb is a module with ``SUMMARY`` (its first help line), ``EXAMPLES``, ``add_arguments`` and
``run``. A verb's module is imported only when it is called, and must import anything heavy inside
``run``, so that every help screen works on every machine.
"""

import argparse
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import NoReturn, Protocol, cast

from segpp import __version__
from segpp.errors import InputError, MissingError, SegppError
from segpp.utils.choices import check_choice

__all__ = ["VERBS", "main", "parser_of"]

VERBS = {
    "export": "segpp.cli.export",
    "run": "segpp.cli.run",
    "eval": "segpp.cli.eval",
    "bench": "segpp.cli.bench",
    "build-engine": "segpp.cli.build_engine",
    "inspect": "segpp.cli.inspect",
    "doctor": "segpp.cli.doctor",
}

EXIT_STATUS = """exit status:
  0 done; 1 a check failed; 2 wrong usage or input; 3 a package or device is missing;
  130 interrupted"""

_INTERRUPTED = 130


class _Verb(Protocol):
    SUMMARY: str
    EXAMPLES: tuple[str, ...]

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``segpp VERB …`` and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(_overview())  # noqa: T201 - the help screen is the result
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(__version__)  # noqa: T201 - the version is the result
        return 0
    return _guarded(arguments[0], arguments[1:])


def export() -> int:
    """Run ``segpp-export``."""
    return _guarded("export", sys.argv[1:])


def run() -> int:
    """Run ``segpp-run``."""
    return _guarded("run", sys.argv[1:])


def evaluate() -> int:
    """Run ``segpp-eval``."""
    return _guarded("eval", sys.argv[1:])


def bench() -> int:
    """Run ``segpp-bench``."""
    return _guarded("bench", sys.argv[1:])


def build_engine() -> int:
    """Run ``segpp-build-engine``."""
    return _guarded("build-engine", sys.argv[1:])


def inspect() -> int:
    """Run ``segpp-inspect``."""
    return _guarded("inspect", sys.argv[1:])


def doctor() -> int:
    """Run ``segpp-doctor``."""
    return _guarded("doctor", sys.argv[1:])


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


def _guarded(verb: str, arguments: Sequence[str]) -> int:
    return _flushed(_run_verb(verb, arguments))


def _run_verb(verb: str, arguments: Sequence[str]) -> int:
    verbose = bool({"-v", "--verbose"} & set(arguments))
    _clean_up_when_stopped()
    try:
        check_choice(verb, VERBS, kind="command")
        args = parser_of(verb).parse_args(arguments)
        logging.basicConfig(level=logging.DEBUG if verbose else logging.ERROR)
        return _module(verb).run(args)
    except SegppError as failure:
        return _report(str(failure), failure.exit_code, verbose=verbose)
    except KeyboardInterrupt:
        _forget_the_signal()
        return _report("interrupted; nothing half-written is left", _INTERRUPTED, verbose=False)
    except ModuleNotFoundError as failure:
        missing = _missing(failure)
        return _report(str(missing), missing.exit_code, verbose=verbose)
    except BrokenPipeError:
        # The reader of our output went away (head, less): not a failure of ours.
        return 0
    except OSError as failure:
        # The last net: what can be foreseen has a better message where it happens.
        where = f"{failure.filename}: " if failure.filename else ""
        problem = f"{where}{failure.strerror or failure}"
        return _report(problem, InputError.exit_code, verbose=verbose)


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except OSError as failure:
        # Python would try again at exit and complain in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(failure, BrokenPipeError):
            problem = f"cannot write the results: {failure.strerror}"
            return _report(problem, InputError.exit_code, verbose=False)
    return code


def _clean_up_when_stopped() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Only where it would end us: nohup makes a closed terminal harmless, and stays in force.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    # A service manager's stop must clean up like Ctrl-C does.
    raise KeyboardInterrupt


def _forget_the_signal() -> None:
    # A KeyboardInterrupt that passed through code made from text, as a dataclass makes it while
    # torch is imported, marks CPython to die of the signal at its end, although it was caught.
    # The next such code takes the mark away.
    eval("0")  # noqa: S307


def _report(message: str, code: int, *, verbose: bool) -> int:
    # With a closed terminal there is nobody to tell, and still an exit code to give.
    with suppress(OSError):
        if verbose:
            traceback.print_exc()
        print(f"error: {message}", file=sys.stderr)  # noqa: T201 - the command's own message
    return code


_EXTRAS = {
    "torch": "export",
    "onnx": "export",
    "onnxscript": "export",
    "onnx_graphsurgeon": "export",
    "safetensors": "export",
    "onnxruntime": "cpu",
    "openvino": "openvino",
    "matplotlib": "plot",
    "tensorrt_rtx": "rtx",
    "tensorrt": "tensorrt",
    "av": "video",
}


def _missing(failure: ModuleNotFoundError) -> MissingError:
    package = (failure.name or "?").partition(".")[0]
    if package == "segpp" or package not in _EXTRAS:
        raise failure
    return MissingError(
        f"the package {package} is not installed",
        hint=f"pip install 'segpp[{_EXTRAS[package]}]'",
    )


def _module(verb: str) -> _Verb:
    return cast("_Verb", import_module(VERBS[verb]))


def _overview() -> str:
    lines = [f"  segpp {verb:<13} {_module(verb).SUMMARY}" for verb in VERBS]
    return "\n".join(
        [
            "usage: segpp VERB … (segpp-VERB is the same; -h after a verb explains it)",
            "",
            *lines,
            "",
            EXIT_STATUS,
        ]
    )


def _epilog(examples: tuple[str, ...]) -> str:
    return "\n".join(["examples:", *(f"  {line}" for line in examples), "", EXIT_STATUS])
