"""The contract of an observer, checked over all that the folder holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segpp.calib.observers import OBSERVERS
from segpp.calib.observers.base import Observer
from segpp.calib.ranges.statistics import TensorStatistics
from segpp.errors import InputError


def statistics_of(values: np.ndarray) -> TensorStatistics:
    """Return what is known of a tensor of which every value was sampled."""
    rows = np.asarray(values, np.float32).reshape(-1, 1)
    known = TensorStatistics.empty(1)
    known.add(rows.min(0), rows.max(0), rows.mean(0, np.float64), rows, 1)
    return known


def normal(count: int = 100_000) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(count).astype(np.float32)


def gelu(x: np.ndarray) -> np.ndarray:
    """GELU by its tanh form (Hendrycks and Gimpel, 2016): near enough for a shape."""
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    return np.asarray(x / 2 * (1 + np.tanh(inner)), np.float32)


@pytest.fixture(params=sorted(OBSERVERS))
def observer(request: pytest.FixtureRequest) -> Observer:
    return OBSERVERS[request.param]


SHAPES = {
    "normal": normal(),
    "one-sided": np.maximum(normal(), 0),
    "gelu": gelu(2 * normal()),
    "uniform": np.random.default_rng(1).uniform(-3, 1, 50_000),
    "heavy-tailed": np.random.default_rng(2).standard_t(3, 50_000),
    "all-positive": normal() ** 2 + 1,
    "all-negative": -(normal() ** 2) - 1,
    "zero": np.zeros(1000),
    "one-value": np.full(1000, 3.0),
    "one-number": np.array([-0.5]),
    "tiny": 1e-30 * normal(),
    "huge": 1e30 * normal(),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_range_lies_within_what_was_seen_and_holds_0(observer: Observer, shape: str) -> None:
    known = statistics_of(SHAPES[shape])

    low, high = observer(known)

    assert known.range[0] <= low <= 0 <= high <= known.range[1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50))
def test_any_values_have_a_range(values: list[float]) -> None:
    known = statistics_of(np.array(values))

    for name in OBSERVERS:
        low, high = OBSERVERS[name](known)
        assert known.range[0] <= low <= 0 <= high <= known.range[1]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_values_have_the_same_range_and_stay_what_they_were(
    observer: Observer, shape: str
) -> None:
    known = statistics_of(SHAPES[shape])
    before = known.histogram.counts.copy()

    first, second = observer(known), observer(known)

    assert first == second == observer(statistics_of(SHAPES[shape]))
    assert np.array_equal(known.histogram.counts, before)


@pytest.mark.parametrize("shape", ["normal", "one-sided", "gelu", "uniform", "heavy-tailed"])
def test_twice_the_values_have_twice_the_range(observer: Observer, shape: str) -> None:
    """Bins are powers of two wide, so doubling changes no count."""
    once, twice = (observer(statistics_of(f * SHAPES[shape].astype(np.float32))) for f in (1, 2))

    assert twice == (2 * once[0], 2 * once[1])


def test_a_tensor_of_zeros_has_the_range_of_zero(observer: Observer) -> None:
    assert observer(statistics_of(SHAPES["zero"])) == (0.0, 0.0)


def test_behind_an_activation_the_short_end_is_kept(observer: Observer) -> None:
    """Of GELU's values the lowest are many: what is clipped of them is less than rounding costs."""
    values = SHAPES["gelu"]
    low, high = observer(statistics_of(values))

    assert low - float(values.min()) <= (high - low) / 255 / 2


def test_of_uniform_values_hardly_any_is_clipped(observer: Observer) -> None:
    low, high = observer(statistics_of(SHAPES["uniform"]))

    assert high - low >= 0.95 * 4


@pytest.mark.parametrize("shape", ["normal", "gelu", "heavy-tailed"])
def test_what_rounding_and_clipping_cost_is_little(observer: Observer, shape: str) -> None:
    """At least 20 dB stay, whatever the method; a range a tenth as wide would leave 1 dB."""
    values = SHAPES[shape].astype(np.float64)
    low, high = observer(statistics_of(values))
    step = (high - low) / 255

    back = np.clip(np.round(values / step) * step, low, high)

    assert np.mean((back - values) ** 2) <= 1e-2 * np.mean(values**2)


@pytest.mark.parametrize("name", sorted(set(OBSERVERS) - {"max"}))
def test_one_outlier_among_a_million_does_not_set_the_range(name: str) -> None:
    values = normal(1_000_000)
    low, high = OBSERVERS[name](statistics_of(values))
    outlier = 25 * high
    values[0] = outlier

    _, with_outlier = OBSERVERS[name](statistics_of(values))

    assert 3.0 <= with_outlier < outlier / 2
    assert low <= -3.0


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown calibration method 'entropie'") as refusal:
        OBSERVERS["entropie"]

    for name in OBSERVERS:
        assert name in str(refusal.value)
