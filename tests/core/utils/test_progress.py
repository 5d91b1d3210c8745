"""A step is one line in a log, and a line that counts up on a terminal."""

import io
import re
import sys
import threading
import time

import pytest

from segpp.utils.progress import announce, remark, step


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Closed(io.StringIO):
    """A pipe whose reader went away."""

    def write(self, text: str, /) -> int:
        raise BrokenPipeError(32, f"nobody reads {text!r}")


def test_a_log_gets_one_line_when_the_step_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with step("tracing"):
        assert capsys.readouterr().err == ""

    said = capsys.readouterr()
    assert re.fullmatch(r"tracing … \d+\.\d s\n", said.err)
    assert said.out == ""


def test_what_is_about_to_be_done_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    announce("exporting a.pth")

    assert capsys.readouterr() == ("", "exporting a.pth …\n")


def test_a_remark_is_no_step_that_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    remark("the last step is kept")

    assert capsys.readouterr() == ("", "the last step is kept\n")


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt()], ids=repr)
def test_a_step_that_failed_says_so_and_hides_nothing(
    failure: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(failure)), step("tracing"):
        raise failure

    assert re.fullmatch(r"tracing … stopped after \d+\.\d s\n", capsys.readouterr().err)


def test_a_terminal_sees_the_step_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    with step("tracing"):
        deadline = time.monotonic() + 10
        while "tracing" not in terminal.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        shown = terminal.getvalue()

    # Each line erases the one before.
    assert re.fullmatch(r"(\r\x1b\[Ktracing … \d+ s)+", shown)
    assert re.search(r"\r\x1b\[Ktracing … \d+\.\d s\n$", terminal.getvalue())


def test_a_terminal_sees_how_far_the_step_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    with step("building") as show:
        show(0.25, "Timing\x1btactics")
        deadline = time.monotonic() + 10
        while "25%" not in terminal.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
        shown = terminal.getvalue()

    assert re.search(r"building … \|█{5} {15}\|  25% Timing\\x1btactics \d+ s", shown)


def test_nothing_ticks_on_after_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    before = threading.active_count()

    with step("tracing"):
        assert threading.active_count() == before + 1

    assert threading.active_count() == before


def test_the_work_goes_on_when_nobody_reads_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Closed())

    with step("tracing"):
        worked = True

    assert worked
