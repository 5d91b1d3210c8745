"""The window: refused in a sentence where there is none to open, and closed by ``q`` where is."""

import shutil
import subprocess
import sys

import pytest

from segpp.errors import MissingError
from segpp.runtime.media.window import open_window

WITH_DISPLAY = """
import numpy as np
from segpp.runtime.media.window import open_window
with open_window("test") as window:
    window.show(np.full((40, 60, 3), 200, np.uint8), "one")
    window._root.after(200, lambda: window._root.event_generate("<Key-q>"))
    window._root.focus_force()
    window.wait()
    assert window.closed
    window.show(np.zeros((40, 60, 3), np.uint8), "two")
print("closed")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a display needs no DISPLAY")
def test_without_a_display_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)

    with pytest.raises(MissingError, match="there is no display to open a window on"):
        open_window("test")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a display needs no DISPLAY")
def test_a_display_that_does_not_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.setenv("DISPLAY", ":4321")

    with pytest.raises(MissingError, match=r"no display[\s\S]*:4321"):
        open_window("test")


def test_a_python_without_tkinter_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tkinter", None)

    with pytest.raises(MissingError, match=r"a window needs tkinter[\s\S]*python3-tk"):
        open_window("test")


def test_where_there_is_a_display_q_closes_it() -> None:
    pytest.importorskip("tkinter")
    if not shutil.which("xvfb-run"):
        pytest.skip("Xvfb is not installed, which stands in for a display")

    done = subprocess.run(
        ["xvfb-run", "-a", sys.executable, "-c", WITH_DISPLAY],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stdout == "closed\n", done.stderr
