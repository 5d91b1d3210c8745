"""The window: refused in a sentence where there is none to open."""

import sys

import pytest

from segpp.errors import MissingError
from segpp.runtime.media.window import open_window


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
