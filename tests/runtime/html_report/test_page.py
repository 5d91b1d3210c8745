"""The frame of a report: one file, nothing from outside, small pictures."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segpp.errors import OutputError
from segpp.runtime.html_report.markup import tag
from segpp.runtime.html_report.page import (
    data_table,
    figure,
    grid,
    page,
    section,
    swatch,
    thumbnail,
    write_page,
)
from tests.helpers.reports.html_reader import read


def test_a_page_is_a_document_that_takes_nothing_from_outside() -> None:
    text = page("a <title>", section("part", tag("p", "words")))

    found = read(text)
    metas = [attributes for name, attributes in found.elements if name == "meta"]
    assert text.startswith("<!DOCTYPE html>")
    assert {"charset": "utf-8"} in metas
    assert {"name": "generator", "content": "segpp"} in metas
    [policy] = [m["content"] for m in metas if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert "http" not in text.replace("http-equiv", "")
    assert "script" not in text
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text


def test_a_thumbnail_is_the_picture_in_few_bytes() -> None:
    address = thumbnail(np.full((1000, 3000, 3), 50, np.uint8))

    kind, _, data = address.partition(",")
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (640, 213)
    assert kind == "data:image/jpeg;base64"
    assert len(address) < 20_000


def test_a_small_picture_is_not_blown_up() -> None:
    data = thumbnail(np.zeros((3, 5, 3), np.uint8)).partition(",")[2]

    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (5, 3)


def test_a_table_has_a_cell_for_each_value_and_scrolls() -> None:
    found = read(data_table(("name", "a"), [("<b>", 1), ("y", tag("td", 2, style="color: red"))]))

    names = [name for name, _ in found.elements]
    assert found.elements[0] == ("div", {"class": "scroll", "tabindex": "0"})
    assert (names.count("th"), names.count("td"), names.count("b")) == (2, 4, 0)
    assert found.text == "namea<b>1y2"


def test_pictures_have_a_text_for_who_cannot_see_them() -> None:
    found = read(grid([figure("data:,", 'it\'s "so"')]))

    assert ("img", {"src": "data:,", "alt": 'it\'s "so"'}) in found.elements


def test_a_swatch_shows_its_colour() -> None:
    assert "rgb(1, 2, 3)" in swatch((1, 2, 3))


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_page(tmp_path / "a.html", "ä")

    assert (tmp_path / "a.html").read_text(encoding="utf-8") == "ä"
    with pytest.raises(OutputError):
        write_page(tmp_path / "none" / "a.html", "x")
