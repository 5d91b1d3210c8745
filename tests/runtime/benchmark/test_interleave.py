"""Who is called when, and for how long."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from segpp.runtime.benchmark.interleave import BenchmarkConfig, Sample, interleave


def runner(name: str, log: list[str]) -> Callable[[], Sample]:
    numbers = count()

    def run() -> Sample:
        log.append(name)
        return Sample(0, 0, next(numbers), 0, 0)

    return run


def ticking(step: float) -> Callable[[], float]:
    """A clock that has moved on by ``step`` whenever it is read."""
    times: Iterator[float] = count(0.0, step)
    return lambda: next(times)


def test_the_runners_take_turns() -> None:
    log: list[str] = []

    interleave([runner(n, log) for n in "ABC"], BenchmarkConfig(1, 2, 0.0), clock=ticking(1))

    assert "".join(log) == "ABC" + "ABCABC"


def test_rounds_to_warm_up_do_not_count() -> None:
    samples = interleave(
        [runner("A", [])], BenchmarkConfig(warmup=3, rounds=2, seconds=0.0), clock=ticking(1)
    )

    assert [[sample.inference_ms for sample in series] for series in samples] == [[3, 4]]


def test_the_laps_stand_in_the_order_of_the_runners() -> None:
    log: list[str] = []
    fast, slow = (lambda: Sample(0, 0, 1, 0, 1)), (lambda: Sample(0, 0, 9, 0, 9))

    samples = interleave([fast, slow], BenchmarkConfig(0, 2, 0.0), clock=ticking(1))

    assert [[sample.total_ms for sample in series] for series in samples] == [[1, 1], [9, 9]]
    assert log == []


@pytest.mark.parametrize(
    ("rounds", "seconds", "found"), [(5, 0.0, 5), (1, 3.5, 4), (5, 3.5, 5), (1, 0.0, 1)]
)
def test_both_rounds_and_seconds_are_least_amounts(rounds: int, seconds: float, found: int) -> None:
    # The clock moves a second a reading: at the start, and before each round from there on.
    samples = interleave(
        [runner("A", [])], BenchmarkConfig(0, rounds, seconds), clock=_second_a_round(rounds)
    )

    assert len(samples[0]) == found


def _second_a_round(rounds: int) -> Callable[[], float]:
    # It is read once at the start, then only when enough rounds are done.
    times = iter([0.0, *map(float, range(rounds, 100))])
    return lambda: next(times)


def test_every_round_that_counts_is_told() -> None:
    told: list[int] = []

    interleave(
        [runner("A", []), runner("B", [])],
        BenchmarkConfig(2, 3, 0.0),
        clock=ticking(1),
        after_each=lambda: told.append(1),
    )

    assert len(told) == 3
