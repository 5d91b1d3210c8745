"""Stages that overlap: in order, two in flight, errors in their turn, nothing left running."""

import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from segpp.runtime.media.overlap import ahead, at_once


class Item:
    """Something to be kept, or not."""


def test_everything_comes_in_its_order() -> None:
    assert list(ahead(range(100))) == list(range(100))


def test_an_error_comes_behind_what_was_made_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("the third")

    found: list[int] = []
    with pytest.raises(ValueError, match="the third"):
        found.extend(ahead(items()))

    assert found == [1, 2]


def test_one_is_made_while_another_is_in_use_and_no_more() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            yield number

    stage = ahead(items())
    first = next(stage)
    deadline = time.monotonic() + 10
    while len(made) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    # Long enough for a third, if anything asked for one.
    time.sleep(0.05)

    assert (first, made) == (0, [0, 1])
    stage.close()


def test_the_time_of_two_stages_is_that_of_the_longer() -> None:
    def items() -> Iterator[int]:
        for number in range(5):
            time.sleep(0.05)
            yield number

    start = time.perf_counter()
    for _ in ahead(items()):
        time.sleep(0.05)

    # In turn it would be 0.5 s and a little; overlapped 0.3 s and a little.
    assert time.perf_counter() - start < 0.45


def test_what_was_handed_on_is_its_users_alone() -> None:
    def items() -> Iterator[Item]:
        for _ in range(3):
            yield Item()

    stage = ahead(items())
    kept = weakref.ref(next(stage))
    second = next(stage)

    assert second is not None
    # The generator above has gone on to the next one, so nobody holds the first.
    assert kept() is None
    stage.close()


def test_whoever_stops_early_leaves_no_thread_and_ends_what_waits() -> None:
    released, closed = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 1
            released.wait(30)
            yield 2
        finally:
            closed.set()

    before = threading.active_count()
    stage = ahead(items(), released.set)
    assert next(stage) == 1
    stage.close()

    assert closed.is_set()
    assert threading.active_count() == before


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_several_at_once_the_results_keep_their_order(count: int) -> None:
    def work(number: int) -> int:
        # The first are the slowest.
        time.sleep(0.002 * (5 - number % 5))
        return 10 * number

    assert list(at_once(work, range(30), count)) == [10 * number for number in range(30)]


def test_two_are_worked_on_at_once_and_no_third() -> None:
    under_way, most = 0, []
    lock = threading.Lock()

    def work(_number: int) -> None:
        nonlocal under_way
        with lock:
            under_way += 1
            most.append(under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1

    list(at_once(work, range(8), 2))

    assert max(most) == 2


def test_with_one_at_a_time_there_is_no_thread() -> None:
    threads = list(at_once(lambda _number: threading.current_thread(), range(3), 1))

    assert set(threads) == {threading.current_thread()}


def test_an_error_of_the_items_comes_behind_the_results_of_those_before_it() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2, 3)
        raise ValueError("the fourth")

    found: list[int] = []
    with pytest.raises(ValueError, match="the fourth"):
        found.extend(at_once(lambda number: number, items(), 2))

    assert found == [1, 2, 3]


def test_an_error_of_the_work_comes_in_its_turn_and_leaves_no_thread() -> None:
    def work(number: int) -> float:
        return 1 / (3 - number)

    before = threading.active_count()
    found: list[float] = []
    with pytest.raises(ZeroDivisionError):
        found.extend(at_once(work, range(100), 2))

    assert found == [1 / 3, 1 / 2, 1]
    assert threading.active_count() == before


def test_items_are_taken_no_further_ahead_than_they_are_worked_on() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    stage = at_once(lambda number: number, items(), 2)
    next(stage)

    assert taken == [0, 1]
    stage.close()
