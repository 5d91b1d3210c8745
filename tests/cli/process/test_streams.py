"""Streams that are closed, broken or poor in characters: no traceback, and nothing undone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from segpp.cli import VERBS


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_traceback(closed: str) -> None:
    """Without stdout there is no place for the result, and the exit code says so."""
    command = ["sh", "-c", f'exec "$0" -m segpp doctor {closed}', sys.executable]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == (2 if ">&-" in closed.split() else 0), done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_work_is_done_although_nobody_reads_the_messages(tmp_path: Path) -> None:
    """A broken stderr was taken for a reader that has enough, and exit code 0."""
    command = f'"{sys.executable}" -m segpp inspect "$0" 2>&1 >"$1"; echo $? >"$2"'
    (tmp_path / "x.pth").write_text("none")
    paths = [tmp_path / name for name in ("x.pth", "out", "code")]

    subprocess.run(["sh", "-c", f"({command}) | true", *paths], check=False)

    assert (tmp_path / "code").read_text() == "2\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_help_screen_fits_into_ascii(verb: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "segpp", verb, "--help"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()


def test_a_reader_that_goes_away_is_no_failure() -> None:
    code = "import sys; from segpp.cli import main; sys.exit(main(['doctor', '--json']))"
    read, write = os.pipe()
    os.close(read)

    with os.fdopen(write, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=nobody, stderr=subprocess.PIPE, check=False
        )

    assert done.stderr == b""
    assert done.returncode == 0
