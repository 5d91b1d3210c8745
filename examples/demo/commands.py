"""The commands of segpp, shown as a reader would type them and then run."""

import shlex
import subprocess
import sys
from pathlib import Path

from segpp.errors import CheckError, MissingError

__all__ = ["run_command"]


def run_command(name: str, *arguments: object) -> None:
    """Print one command and run it; its messages and results go where ours go.

    Raises:
        CheckError: It failed; it has said why itself.
        MissingError: It is not installed beside this interpreter.
    """
    program = Path(sys.executable).with_name(name)
    if not program.exists():
        raise MissingError(f"{name} is not installed in this environment", hint="make demo")
    words = [str(argument) for argument in arguments]
    print(f"\n$ {shlex.join([name, *words])}", flush=True)
    done = subprocess.run([program, *words], check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise CheckError(f"{name} ended with exit code {done.returncode}")
