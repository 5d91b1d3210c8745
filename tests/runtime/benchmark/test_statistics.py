"""Percentiles and ratios of samples made by hand."""

from math import comb

import pytest

from segpp.errors import InputError
from segpp.runtime.benchmark.statistics import (
    Summary,
    parse_percentiles,
    percentile,
    ratio,
    samples_for,
    supported_percentiles,
)


@pytest.mark.parametrize(
    ("percent", "found"),
    [(1, 10), (20, 10), (20.1, 20), (40, 20), (50, 30), (60, 30), (80, 40), (80.1, 50), (99, 50)],
)
def test_a_percentile_is_the_nearest_rank(percent: float, found: float) -> None:
    # The smallest sample that at least p percent do not exceed: 10 is enough for 20 %.
    assert percentile([50, 10, 40, 20, 30], percent) == found


@pytest.mark.parametrize(
    ("count", "percent", "rank"), [(1000, 99.9, 999), (10_000, 99.9, 9990), (10_000, 20.1, 2010)]
)
def test_a_rank_that_is_whole_is_not_rounded_up(count: int, percent: float, rank: int) -> None:
    assert percentile(range(1, count + 1), percent) == rank


def test_a_percentile_is_always_a_sample() -> None:
    samples = [1.5, 2.5, 10.0]

    assert {percentile(samples, percent) for percent in range(1, 100)} == set(samples)


@pytest.mark.parametrize("percent", [1, 50, 99])
def test_a_single_sample_is_every_percentile(percent: float) -> None:
    assert percentile([7.0], percent) == 7.0


def test_the_tail_is_never_clipped() -> None:
    samples = [10.0] * 99 + [10_000.0]

    found = Summary.of(samples, (99, 99.9))

    assert found.count == 100
    assert found.maximum == 10_000
    assert found.mean == pytest.approx(109.9)
    assert found.percentiles == {99: 10, 99.9: 10_000}
    # Sample standard deviation by hand: one of n at distance d from the rest gives d / sqrt(n).
    assert found.deviation == pytest.approx(9_990 / 10)
    assert found.variation == pytest.approx(999 / 109.9)


def test_one_sample_does_not_vary() -> None:
    assert Summary.of([3.0], (50,)).variation == 0


def test_a_ratio_is_of_pairs_not_of_medians() -> None:
    # The machine slows down to a tenth half way; every pair still says two.
    found = ratio([2, 4, 20, 40, 60], [1, 2, 10, 20, 30])

    assert (found.median, found.minimum, found.maximum) == (2, 2, 2)


def test_a_ratio_tells_its_spread() -> None:
    found = ratio([1, 2, 3, 4], [1, 1, 1, 1])

    assert found.median == 2.5
    assert (found.lower_quartile, found.upper_quartile) == (1, 3)
    assert (found.minimum, found.maximum) == (1, 4)


@pytest.mark.parametrize(("percent", "needed"), [(90, 64), (99, 662), (10, 64)])
def test_a_percentile_needs_as_many_samples_as_mlperf_asks_for(percent: float, needed: int) -> None:
    assert samples_for(percent) == needed


@pytest.mark.parametrize("percent", [50, 75, 95, 99.9])
def test_with_enough_samples_at_most_one_beyond_is_a_surprise(percent: float) -> None:
    chance = 1 - percent / 100

    def at_most_one(samples: int) -> float:
        return sum(comb(samples, k) * chance**k * (1 - chance) ** (samples - k) for k in (0, 1))

    enough = samples_for(percent)
    assert at_most_one(enough) <= 0.01 < at_most_one(enough - 1)


def test_percentiles_are_a_sorted_list_of_numbers() -> None:
    assert parse_percentiles("99,50, 99.9,50") == (50, 99, 99.9)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no list of numbers"),
        ("50,p90", "no list of numbers"),
        ("0", "allowed: 0.01 to 99.99"),
        ("100", "allowed"),
        ("nan", "allowed"),
        ("-5", "allowed"),
        ("99.9999", "allowed"),
    ],
)
def test_other_percentiles_are_refused(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse_percentiles(text)


@pytest.mark.parametrize(
    ("samples", "told"),
    [(1, (50,)), (10, (50,)), (11, (50,)), (64, (50, 90)), (662, (50, 90, 95, 99))],
)
def test_what_is_told_by_default_needs_no_more_samples(
    samples: int, told: tuple[float, ...]
) -> None:
    assert supported_percentiles(samples) == told
