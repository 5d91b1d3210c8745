"""The histogram that widens: the counts are those of all values at once, in any order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segpp.calib.ranges.histogram import BINS, Histogram

# Powers of two from far below the narrowest bins to far above the widest activations, and all that
# lies between.
VALUES = st.floats(width=32, allow_nan=False, allow_infinity=False)
BATCHES = st.lists(arrays.arrays(np.float32, st.integers(0, 20), elements=VALUES), max_size=6)


def filled(batches: list[np.ndarray]) -> Histogram:
    histogram = Histogram()
    for batch in batches:
        histogram.add(batch)
    return histogram


@settings(deadline=None)
@given(BATCHES)
def test_the_counts_are_those_of_all_values_at_once(batches: list[np.ndarray]) -> None:
    values = np.concatenate([np.zeros(0, np.float32), *batches]).astype(np.float64)

    histogram = filled(batches)

    edges = np.linspace(-histogram.limit, histogram.limit, BINS + 1)
    expected, _ = np.histogram(values, edges)
    assert np.array_equal(histogram.counts, expected)
    assert histogram.total == values.size


@settings(deadline=None)
@given(BATCHES, st.randoms())
def test_the_order_changes_nothing(batches: list[np.ndarray], random: object) -> None:
    shuffled = list(batches)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis's own

    one, other = filled(batches), filled(shuffled)

    assert one.limit == other.limit
    assert np.array_equal(one.counts, other.counts)


@settings(deadline=None)
@given(BATCHES)
def test_the_limit_is_a_power_of_two_just_above_the_values(batches: list[np.ndarray]) -> None:
    histogram = filled(batches)

    assert np.frexp(histogram.limit)[0] == 0.5
    largest = max((float(np.abs(batch).max()) for batch in batches if batch.size), default=0.0)
    assert largest < histogram.limit
    assert histogram.limit == Histogram().limit or histogram.limit / 2 <= largest


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_each_value_lies_in_the_bin_around_its_middle(sign: float) -> None:
    histogram = filled([np.float32([sign])])

    [place] = np.flatnonzero(histogram.counts)

    assert abs(histogram.centers[place] - sign) <= histogram.width / 2


def test_shapes_and_no_values_at_all_are_taken() -> None:
    histogram = filled([np.zeros((2, 3, 4), np.float32), np.zeros((0, 7), np.float32)])

    assert histogram.total == 24
