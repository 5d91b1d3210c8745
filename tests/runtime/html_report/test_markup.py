"""Names become text and never markup, whoever chose them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpp.runtime.html_report.markup import Html, clean, join, tag
from tests.helpers.reports.html_reader import HOSTILE, read


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text_in_content_and_in_attributes(name: str) -> None:
    found = read(tag("p", name, title=name))

    assert found.elements == [("p", {"title": name})]
    assert found.text == name


@given(st.text())
def test_whatever_is_put_in_comes_out_as_text(text: str) -> None:
    found = read(join(tag("td", text), tag("img", src="data:,", alt=text)))

    assert [name for name, _ in found.elements] == ["td", "img"]
    assert found.text == clean(text)
    assert found.elements[1][1]["alt"] == clean(text)


def test_elements_nest_and_numbers_are_texts() -> None:
    assert tag("tr", tag("td", 1.5), tag("td", None)) == "<tr><td>1.5</td><td>None</td></tr>"


def test_attributes_have_their_names_of_html_and_none_leaves_one_out() -> None:
    made = tag("meta", http_equiv="refresh", class_=None)

    assert made == '<meta http-equiv="refresh">'
    assert isinstance(made, Html)


@pytest.mark.parametrize("sign", ["\0", "\x1b", "\u202e", "\ud800", "\u200b", "\ufeff"])
def test_what_is_no_sign_is_replaced(sign: str) -> None:
    assert clean(f"a{sign}b") == "a\ufffdb"
    clean(f"a{sign}b").encode("utf-8")
