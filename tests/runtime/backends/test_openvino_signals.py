"""Signals where OpenVINO has been."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("openvino", reason="OpenVINO (segpp[openvino]) is not installed")

TWO_AFTER_EACH_OTHER = """
import signal, sys
from pathlib import Path
from segpp.runtime.inference.open_session import open_session
sessions = [open_session(Path(sys.argv[1]), backend="openvino", cache=False) for _ in range(2)]
for session in sessions:
    session.close()
del session, sessions
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interruption_after_two_networks_is_one(network: Callable[..., Path]) -> None:
    """The library's own stack for signals is gone with the first of two of its cores."""
    command = [sys.executable, "-c", TWO_AFTER_EACH_OTHER, str(network())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
