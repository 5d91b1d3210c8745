"""What is told of a live source: counts, the present rate, latencies of the last frames."""

import time

import pytest

from segpp.runtime.media.live.account import LiveAccount


def test_latencies_are_nearest_ranks_of_those_kept() -> None:
    account = LiveAccount()
    for latency in range(1, 101):
        account.add(latency)

    assert (account.latency(50), account.latency(95), account.done) == (50, 95, 100)


def test_before_the_first_frame_there_is_nothing_to_tell() -> None:
    account = LiveAccount()

    assert (account.rate, account.latency(50)) == (0.0, 0.0)


def test_a_source_that_stalls_gets_slower_while_it_does() -> None:
    account = LiveAccount()
    account.add(1.0)
    time.sleep(0.02)
    account.add(1.0)
    before = account.rate
    time.sleep(0.1)

    assert before <= 1 / 0.02
    assert account.rate < before / 2


def test_what_it_keeps_is_bounded() -> None:
    account = LiveAccount()
    for _ in range(10_000):
        account.add(1.0)

    assert account.done == 10_000
    assert len(account._latencies) == 4096


def test_what_came_while_the_network_was_loaded_is_not_counted() -> None:
    account = LiveAccount(seen=9, dropped=8)
    account.begin()

    assert (account.seen, account.dropped, account.done) == (0, 0, 0)
    assert account.seconds == pytest.approx(0, abs=1)
