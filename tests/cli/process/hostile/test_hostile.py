"""No input, however made, ends in more than a sentence and an exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
SECONDS = 600


# As many as fit into the tests of every commit, and more among the slow ones.
@pytest.mark.parametrize("inputs", [60, pytest.param(150, marks=pytest.mark.exhaustive)])
def test_every_hostile_input_ends_with_a_sentence_in_bounds(inputs: int) -> None:
    """``python -m tests.cli.process.hostile --count 2000`` is the long form."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.process.hostile", "--count", str(inputs)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{inputs} inputs in " in done.stdout
