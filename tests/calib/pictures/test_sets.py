"""Sets of pictures never mix, whatever their number."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpp.calib.pictures.find import FEW, LEAST, Picture
from segpp.calib.pictures.sets import split, spread

COUNTS = st.integers(LEAST, 400)


def pictures(count: int) -> tuple[Picture, ...]:
    return tuple(Picture(Path(f"{number}.png"), f"{number:064}") for number in range(count))


@settings(deadline=None)
@given(COUNTS)
def test_every_picture_is_in_one_set(count: int) -> None:
    given_ones = pictures(count)

    sets = split(given_ones)

    together = [*sets.calibration, *sets.selection, *sets.report]
    assert sorted(one.sha256 for one in together) == [one.sha256 for one in given_ones]
    assert sets.selection
    assert sets.calibration
    assert sets.report
    assert len(sets.calibration) > len(sets.report)


@settings(deadline=None)
@given(COUNTS)
def test_each_set_is_from_everywhere(count: int) -> None:
    """Neighbours are alike; between two that are held back lie a few that are not."""
    sets = split(pictures(count))

    places = [int(one.sha256) for one in sets.report]
    assert {b - a for a, b in pairwise(places)} <= {places[0] + 1}


@given(st.integers(1, 50), st.integers(1, 20))
def test_some_of_them_are_from_everywhere(count: int, most: int) -> None:
    places = [int(one.sha256) for one in spread(pictures(count), most)]

    assert len(places) == min(count, most)
    gaps = {b - a for a, b in pairwise([*places, count])}
    # As even as whole numbers are.
    assert places[0] == 0
    assert max(gaps) - min(gaps) <= 1
    assert min(gaps) >= 1


@pytest.mark.parametrize("count", [LEAST, 2 * FEW])
def test_few_pictures_are_warned_about(count: int) -> None:
    sets = split(pictures(count))

    assert bool(sets.warnings) is (len(sets.calibration) < FEW)
    for warning in sets.warnings:
        assert f"{len(sets.calibration)} pictures to calibrate on" in warning
