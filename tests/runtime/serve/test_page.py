"""The page: names stay names, and no other address is asked."""

import re

import pytest

from segpp.runtime.serve.page import POLICY, SCRIPT, STYLE, page_of
from tests.helpers.reports.html_reader import HOSTILE, read


@pytest.mark.parametrize("title", HOSTILE)
def test_a_title_stays_text_whatever_it_is(title: str) -> None:
    found = read(page_of(title))

    assert [words["src"] for name, words in found.elements if name == "script"] == ["/live.js"]
    assert [name for name, _ in found.elements if name == "img"] == ["img"]


def test_nothing_comes_from_elsewhere() -> None:
    text = page_of("b0.onnx")

    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sorted(sources) == ["/live.js", "/stream.mjpg", "/style.css", "data:,"]
    # The one address is the name of a language, which nobody fetches.
    assert re.findall(r"https?://[^\"]+", SCRIPT + STYLE) == ["http://www.w3.org/2000/svg"]
    assert "innerHTML" not in SCRIPT
    assert "unsafe" not in POLICY


def test_every_number_that_the_script_fills_in_has_its_place() -> None:
    text = page_of("b0.onnx")

    places = set(re.findall(r'at\("(\w+)"\)', SCRIPT))
    assert {name for name in places if f'id="{name}"' not in text} == set()
