"""Where the tests find real data, and how they start the commands."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SEGPP_SHARED", ROOT.parent / "shared"))

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shared() -> Path:
    """The folder of real checkpoints and images beside the checkout; skips where there is none."""
    if not (SHARED / "checkpoints").is_dir():
        pytest.skip("no shared real-data folder beside the checkout (SEGPP_SHARED)")
    return SHARED


@pytest.fixture
def segpp() -> Command:
    """Run ``segpp VERB …`` in a process of its own."""

    def run(*arguments: object, **options: object) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "segpp", *map(str, arguments)]
        settings: dict[str, object] = {"capture_output": True, "text": True, "timeout": 600}
        return subprocess.run(command, check=False, **{**settings, **options})  # type: ignore[call-overload,no-any-return]  # forwarded options

    return run
