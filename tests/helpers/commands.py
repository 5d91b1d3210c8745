"""The commands as tests call them: in this process, or in one of their own."""

import io
import os
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from segpp.cli import main
from segpp.runtime.system.packages import known_packages

__all__ = ["HEAVY", "Completed", "in_process", "in_subprocess", "python_without"]

# What comes with an extra.
HEAVY = tuple(module for module, package in known_packages().items() if package.extra)

Completed = subprocess.CompletedProcess[str]

# What Python shows of its own accord to users of a command.
_HIDDEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


def in_subprocess(
    *arguments: object, python: Sequence[str] = (sys.executable,), **options: object
) -> Completed:
    """Run ``segpp VERB …`` in a process of its own; ``options`` are those of ``subprocess.run``."""
    command = [*python, "-m", "segpp", *map(str, arguments)]
    settings: dict[str, object] = {"capture_output": True, "text": True, "timeout": 600}
    return subprocess.run(command, check=False, **{**settings, **options})  # type: ignore[call-overload,no-any-return]  # forwarded options


def in_process(*arguments: object, cwd: Path | None = None) -> Completed:
    """Run ``segpp VERB …`` here, as a process of its own would, but for what it prints in C.

    Args:
        cwd: The folder to run it in; by default the current one.
    """
    words = list(map(str, arguments))
    with _as_users_see_it(), _inside(cwd), io.StringIO() as out, io.StringIO() as err:
        with redirect_stdout(out), redirect_stderr(err):
            code = _exit_code(words)
        return Completed(["segpp", *words], code, out.getvalue(), err.getvalue())


def python_without(
    packages: Iterable[str], code: str, *arguments: object, cwd: Path | None = None
) -> Completed:
    """Run Python code in a process of its own, in which none of ``packages`` is installed."""
    # None among the modules is how Python marks one that is not there.
    marks = f"import sys; sys.modules.update(dict.fromkeys({list(packages)!r}))\n"
    command = [sys.executable, "-c", marks + code, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, cwd=cwd
    )


def _exit_code(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as end:
        # A help screen ends the process that prints it.
        return int(end.code or 0)


@contextmanager
def _as_users_see_it() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        for category in _HIDDEN:
            warnings.simplefilter("ignore", category)
        yield


@contextmanager
def _inside(folder: Path | None) -> Iterator[None]:
    before = Path.cwd()
    if folder is not None:
        os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
