"""``segpp-distill`` as a user runs it, killed at random moments where that is asked."""

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segpp.errors import CheckError
from segpp.export.models.loading import load_checkpoint

__all__ = ["learned"]


def learned(student: Path, command: Sequence[str], *, kills: int, seconds: float) -> dict[str, Any]:
    """Run the command to its end and return its report.

    Args:
        student: What it writes.
        command: Of ``segpp-distill``, without the program's name.
        kills: How often it is killed (SIGKILL) on the way.
        seconds: How long it takes without that, about.

    Raises:
        CheckError: It failed, or a kill left a student that cannot be read.
    """
    draw = random.Random(kills)  # noqa: S311 - moments, no secrets
    for number in range(kills):
        moment = draw.uniform(0, 2 * seconds / (kills + 1))
        if _runs(command, moment) is not None:
            raise CheckError(f"it ended before it was killed {kills} times, after {number}")
        if student.exists():
            load_checkpoint(student)
    if (code := _runs(command, None)) != 0:
        raise CheckError(f"segpp-distill ended with {code}")
    load_checkpoint(student)
    report = student.with_name(f"{student.name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(report)
    return found


def _runs(command: Sequence[str], seconds: float | None) -> int | None:
    """Return the exit code, or None where the time was over and the process was killed."""
    process = subprocess.Popen([sys.executable, "-m", "segpp", "distill", *command])
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
