"""JSON becomes a dataclass only where every value has its type."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segpp.errors import ManifestError
from segpp.manifest.dataclass_json import decode, encode


@dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0


@dataclass(frozen=True)
class Everything:
    text: str
    whole: int
    real: float
    yes: bool
    word: Literal["a", "b"]
    pair: tuple[int, str]
    many: tuple[Point, ...]
    table: dict[str, int]
    mixed: dict[str, int | float | str]
    maybe: Point | None = None
    more: dict[str, str] = field(default_factory=dict)


GOOD: dict[str, Any] = {
    "text": "t",
    "whole": 1,
    "real": 0.5,
    "yes": True,
    "word": "a",
    "pair": [1, "one"],
    "many": [{"x": 1.0}, {"x": 2.0, "y": 3.0}],
    "table": {"k": 1},
    "mixed": {"i": 1, "f": 1.5, "s": "s"},
}

finite = st.floats(allow_nan=False, allow_infinity=False)
points = st.builds(Point, finite, finite)
everything = st.builds(
    Everything,
    text=st.text(),
    whole=st.integers(),
    real=finite,
    yes=st.booleans(),
    word=st.sampled_from(["a", "b"]),
    pair=st.tuples(st.integers(), st.text()),
    many=st.lists(points).map(tuple),
    table=st.dictionaries(st.text(), st.integers()),
    mixed=st.dictionaries(st.text(), st.integers() | finite | st.text()),
    maybe=st.none() | points,
    more=st.dictionaries(st.text(), st.text()),
)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(everything)
def test_json_and_back_is_the_same(value: Everything) -> None:
    assert decode(Everything, json.loads(json.dumps(encode(value)))) == value


def test_what_is_left_out_has_its_default() -> None:
    value = decode(Everything, GOOD)

    assert value.many == (Point(1.0, 0.0), Point(2.0, 3.0))
    assert value.maybe is None
    assert value.more == {}


def test_a_whole_number_may_stand_for_a_real_one() -> None:
    value = decode(Point, {"x": 1})

    assert type(value.x) is float


@given(where=st.sampled_from(sorted(GOOD)), value=json_values)
def test_a_foreign_value_is_our_error_or_fits(where: str, value: Any) -> None:
    try:
        found = decode(Everything, GOOD | {where: value})
    except ManifestError as failure:
        assert f"manifest.{where}" in str(failure)  # noqa: PT017 - it may also pass
    else:
        assert json.loads(json.dumps(encode(found)))[where] is not None


@given(json_values)
def test_any_json_is_our_error(value: Any) -> None:
    with pytest.raises(ManifestError):
        decode(Everything, value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"text": 1}, "manifest.text is 1\n  expected: str"),
        ({"text": None}, "manifest.text is None\n  expected: str"),
        ({"whole": 1.0}, "manifest.whole is 1.0\n  expected: int"),
        ({"whole": True}, "manifest.whole is True\n  expected: int"),
        ({"whole": "1"}, "manifest.whole is '1'\n  expected: int"),
        ({"real": "0.5"}, "manifest.real is '0.5'\n  expected: float"),
        ({"real": True}, "manifest.real is True\n  expected: float"),
        ({"real": float("nan")}, "manifest.real is nan\n  expected: a finite number"),
        ({"real": float("-inf")}, "manifest.real is -inf\n  expected: a finite number"),
        ({"yes": 1}, "manifest.yes is 1\n  expected: bool"),
        ({"word": "c"}, "manifest.word is 'c'\n  expected: one of ('a', 'b')"),
        ({"word": ["a"]}, "manifest.word is ['a']\n  expected: one of ('a', 'b')"),
        ({"pair": [1]}, "manifest.pair is [1]\n  expected: a list of 2"),
        ({"pair": [1, "a", 2]}, "manifest.pair is [1, 'a', 2]\n  expected: a list of 2"),
        ({"pair": [1, 2]}, "manifest.pair[1] is 2\n  expected: str"),
        ({"pair": "1a"}, "manifest.pair is '1a'\n  expected: a list"),
        ({"many": {}}, "manifest.many is {}\n  expected: a list"),
        ({"many": [{"x": 0}, {"x": "0"}]}, "manifest.many[1].x is '0'\n  expected: float"),
        ({"many": [{"y": 1}]}, "manifest.many[0] lacks the key 'x'"),
        ({"many": [{"x": 1, "z": 1}]}, "manifest.many[0] has the unknown key 'z'"),
        ({"table": [["k", 1]]}, "manifest.table is [['k', 1]]\n  expected: an object"),
        ({"table": {"k": "1"}}, "manifest.table['k'] is '1'\n  expected: int"),
        ({"mixed": {"k": []}}, "manifest.mixed['k'] is []\n  expected: int or float or str"),
        ({"mixed": {"k": None}}, "manifest.mixed['k'] is None\n  expected: int or float or str"),
        ({"mixed": {"k": float("inf")}}, "manifest.mixed['k'] is inf\n  expected: a finite number"),
        ({"maybe": 1}, "manifest.maybe is 1\n  expected: an object"),
        ({"extra": 1}, "manifest has the unknown key 'extra'"),
    ],
)
def test_the_place_the_value_and_what_was_expected_are_told(
    change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ManifestError) as failure:
        decode(Everything, GOOD | change)

    assert str(failure.value) == problem


@pytest.mark.parametrize("absent", ["text", "many", "table"])
def test_a_missing_key_is_named(absent: str) -> None:
    value = {key: kept for key, kept in GOOD.items() if key != absent}

    with pytest.raises(ManifestError, match=f"manifest lacks the key '{absent}'"):
        decode(Everything, value)


@pytest.mark.parametrize("value", [None, [], "text", 1])
def test_what_is_no_object_is_told(value: Any) -> None:
    with pytest.raises(ManifestError, match="expected: an object"):
        decode(Everything, value)


@pytest.mark.parametrize(
    "change",
    [
        {"real": 10**400},
        {"text": ["x" * (1 << 20)]},
        {"x" * (1 << 20): 1},
        {"table": {"x" * (1 << 20): "1"}},
    ],
    ids=["number", "value", "key", "inner key"],
)
def test_huge_things_do_not_fill_the_screen(change: dict[str, Any]) -> None:
    with pytest.raises(ManifestError) as failure:
        decode(Everything, GOOD | change)

    assert len(str(failure.value)) < 300
