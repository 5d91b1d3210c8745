"""An unknown name is an error that lists the known ones and proposes the nearest."""

import time

import pytest

from segpp.errors import InputError, ReductionError
from segpp.utils.choices import check_choice

PRESETS = ("none", "hq", "fast", "2x2")


@pytest.mark.parametrize("name", PRESETS)
def test_a_known_name_passes(name: str) -> None:
    check_choice(name, PRESETS, kind="preset")


@pytest.mark.parametrize(("typed", "meant"), [("HQ", "hq"), ("fats", "fast"), ("2x3", "2x2")])
def test_the_nearest_is_proposed(typed: str, meant: str) -> None:
    with pytest.raises(InputError) as failure:
        check_choice(typed, PRESETS, kind="preset")

    assert str(failure.value) == (
        f"unknown preset {typed!r}\n  known: 2x2, fast, hq, none\n  hint: did you mean {meant!r}?"
    )


@pytest.mark.parametrize("typed", ["", "zzz", "\x1b[31m"])
def test_what_is_near_nothing_gets_no_proposal(typed: str) -> None:
    with pytest.raises(InputError) as failure:
        check_choice(typed, PRESETS, kind="preset")

    assert str(failure.value) == f"unknown preset {typed!r}\n  known: 2x2, fast, hq, none"


def test_the_error_is_the_callers() -> None:
    with pytest.raises(ReductionError, match="unknown token reduction 'bms'"):
        check_choice("bms", ["bsm"], kind="token reduction", error=ReductionError)


def test_known_names_may_come_from_an_iterator() -> None:
    with pytest.raises(InputError, match="known: a, b"):
        check_choice("c", iter(["b", "a"]), kind="letter")


def test_a_name_of_a_megabyte_costs_neither_time_nor_screen() -> None:
    start = time.monotonic()

    with pytest.raises(InputError) as failure:
        check_choice("x" * (1 << 20), PRESETS, kind="preset")

    assert time.monotonic() - start < 1
    assert len(str(failure.value)) < 200
