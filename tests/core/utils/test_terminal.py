"""What is printed is shown, not obeyed, and JSON stays data."""

import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpp.utils.terminal import guarded_streams, harmless, one_line, unguarded


def printed(text: str, encoding: str = "utf-8") -> str:
    """Return what a stream of an encoding gets when ``text`` is printed."""
    raw, before = io.BytesIO(), sys.stdout
    sys.stdout = io.TextIOWrapper(raw, encoding=encoding)
    try:
        with guarded_streams():
            sys.stdout.write(text)
            sys.stdout.flush()
        return raw.getvalue().decode(encoding)
    finally:
        sys.stdout = before


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("road", "road"),
        ("Straße, 道路 — ¾", "Straße, 道路 — ¾"),
        ("a\tb\n", "a\tb\n"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("a\rb", r"a\x0db"),
        ("\x9b31m\x7f", r"\u009b31m\u007f"),
        ("gnp.\u202eexe", r"gnp.\u202eexe"),
        ("\u2066a\u2069\u200f", r"\u2066a\u2069\u200f"),
        ("a\u2028b", r"a\u2028b"),
        ("caf\udce9", r"caf\udce9"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert harmless(text) == shown
    assert printed(text) == shown


def test_a_name_keeps_to_its_line() -> None:
    assert one_line("road\nerror: none\t\x1b") == r"road\x0aerror: none\x09\x1b"


@given(st.text(st.characters()), st.sampled_from(["ascii", "latin-1", "utf-8"]))
def test_json_is_the_same_data_in_any_encoding(text: str, encoding: str) -> None:
    assert json.loads(printed(json.dumps([text], ensure_ascii=False), encoding)) == [text]


@given(st.text(st.characters()))
def test_nothing_harmful_is_left(text: str) -> None:
    said = harmless(text)

    assert all(sign.isprintable() or sign in "\t\n" or ord(sign) > 0x9F for sign in said)
    assert not set(said) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2028\u2029\x1b\x9b")


class Gone(io.StringIO):
    """A pipe without a reader."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def test_messages_that_nobody_reads_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Gone())

    with guarded_streams():
        for stream in (sys.stderr, unguarded(sys.stderr)):
            stream.write("a message")
            stream.flush()


def test_a_closed_stdout_fails_once_something_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    with guarded_streams():
        sys.stdout.flush()
        sys.stdout.write("a result")
        with pytest.raises(OSError, match="Bad file descriptor"):
            sys.stdout.flush()

    assert sys.stdout is None
