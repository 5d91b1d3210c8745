"""What is known of a tensor is what numpy says of all its values."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segpp.calib.ranges.statistics import TensorStatistics

PICTURES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 7), st.integers(1, 5), st.just(3)),
    elements=st.floats(-1e3, 1e3, width=32),
)


@settings(deadline=None)
@given(PICTURES, st.integers(1, 4))
def test_extremes_and_means_are_those_of_all_pictures(pictures: np.ndarray, batch: int) -> None:
    known = TensorStatistics.empty(pictures.shape[2])

    for start in range(0, len(pictures), batch):
        part = pictures[start : start + batch]
        mean = part.mean((0, 1), np.float64)
        known.add(part.min((0, 1)), part.max((0, 1)), mean, part, len(part))

    assert np.array_equal(known.low, pictures.min((0, 1)))
    assert np.array_equal(known.high, pictures.max((0, 1)))
    # A few roundings of float64 of numbers up to 1e3.
    assert np.abs(known.mean - pictures.mean((0, 1), np.float64)).max() <= 1e-12 * 1e3
    assert known.pictures == len(pictures)
    assert known.histogram.total == pictures.size


def test_zero_lies_in_every_range() -> None:
    known = TensorStatistics.empty(1)
    known.add(np.float32([2]), np.float32([3]), np.array([2.5]), np.float32([[2], [3]]), 1)

    assert known.range == (0.0, 3.0)
