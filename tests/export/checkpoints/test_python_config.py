"""Settings written as Python are read as plain values, and nothing in them is evaluated."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from segpp.export.checkpoints.python_config import parse_python_config, values_under


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a = 1\nb = -2.5\nc = 'x'", {"a": 1, "b": -2.5, "c": "x"}),
        ("d = None\ne = True", {"d": None, "e": True}),
        ("crop = (5, 10)\nall = dict(size=crop)", {"crop": (5, 10), "all": {"size": (5, 10)}}),
        ("a = {'b': [1, 2], 3: 'c'}", {"a": {"b": [1, 2], 3: "c"}}),
        ("a = dict(x=1, y=2)\nb = dict(a, y=3)", {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}),
        ("a = dict(x=1)\nb = {**a, 'z': 4}", {"a": {"x": 1}, "b": {"x": 1, "z": 4}}),
        ("a: int = 3\nb = a * 2 + 1 / 4", {"a": 3, "b": 6.25}),
        ("a = 1\na = 2", {"a": 2}),
        ("'''A docstring.'''\na = 1", {"a": 1}),
    ],
)
def test_plain_values_are_taken(text: str, values: dict[str, Any]) -> None:
    config = parse_python_config(text)

    assert config.values == values
    assert config.problem is None


@pytest.mark.parametrize(
    "expression",
    [
        "open('MARK', 'w')",
        "__import__('os').system('touch MARK')",
        "[open('MARK', 'w') for i in 'a']",
        "(lambda: 1)()",
        "f'{1}'",
        "9 ** 9 ** 9",
        "unknown",
        "1 / 0",
        "'a' * 10**9",
    ],
)
def test_what_would_have_to_be_evaluated_is_none(expression: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    text = f"a = 1\na = {expression.replace('MARK', str(mark))}\nb = dict(a=a, c=[a, 2])"

    config = parse_python_config(text)

    assert config.values == {"a": None, "b": {"a": None, "c": [None, 2]}}
    assert not mark.exists()


@pytest.mark.parametrize("text", ["a = (", "a = 1\n  b = 2", "a\0b", "a = '\\N{no such}'"])
def test_a_broken_text_is_told_in_a_sentence(text: str) -> None:
    config = parse_python_config(text)

    assert config.values == {}
    assert config.problem
    assert config.problem.startswith("the configuration inside is not read: ")
    assert "Error" in config.problem


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("import os", {"a": {"b": 1}, "c": 2}),
        ("a['b'] = 2", {"a": None, "c": 2}),
        ("a['b'].d = 2", {"a": None, "c": 2}),
        ("a.update(b=2)", {"a": None, "c": 2}),
        ("c += 1", {"a": {"b": 1}, "c": None}),
        ("a, c = c, a", {"a": None, "c": None}),
        ("del a['b']", {"a": None, "c": 2}),
        ("if a: d = 2", {"a": {"b": 1}, "c": 2, "d": None}),
        ("for c in []: pass", {"a": {"b": 1}, "c": None}),
    ],
)
def test_other_statements_are_told_of_and_what_they_change_is_none(
    statement: str, values: dict[str, Any]
) -> None:
    config = parse_python_config(f"a = dict(b=1)\nc = 2\n{statement}")

    assert config.values == values
    assert config.problem == "line 3 of the configuration inside is not read"


@pytest.mark.parametrize("value", ["[1] + [2]", "make(1)", "[f()]", "dict(b=[1] * 2)", "not True"])
def test_values_that_are_not_plain_are_told_of(value: str) -> None:
    config = parse_python_config(f"c = 2\na = {value}")

    assert config.problem == "line 2 of the configuration inside is not read"


@pytest.mark.parametrize(
    ("start", "part", "count"),
    [
        ("x = 1", "+1", 300_000),
        ("x = a", ".b", 200_000),
        ("x = ", "-", 500_000),
        ("x = ", "(", 9_000),
        ("x = ", "lambda:", 100_000),
        ("x = 1", "0", 2_000_000),
    ],
)
def test_a_text_made_to_break_the_parser_is_told_of_in_a_sentence(
    start: str, part: str, count: int
) -> None:
    config = parse_python_config(start + part * count)

    assert config.values == {}
    assert config.problem


def test_names_used_again_and_again_do_not_grow_without_end() -> None:
    lines = [f"{b} = [{a}, {a}, {a}, {a}]" for a, b in pairwise("abcdefghijklmnopqrstuvwxyz")]

    config = parse_python_config("\n".join(["a = dict(wanted=1)", *lines]))

    assert config.values["c"] == [[{"wanted": 1}] * 4] * 4
    assert config.values["z"] is None or len(repr(config.values)) < 1_000_000
    assert set(values_under(config.values, "wanted")) == {1}
