"""No input, however made, ends in more than a sentence and an exit code."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INPUTS = 150
SECONDS = 600


def test_every_hostile_input_ends_with_a_sentence_in_bounds() -> None:
    """``python -m tests.hostile --count 2000`` is the long form."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile", "--count", str(INPUTS)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{INPUTS} inputs in " in done.stdout
