"""The first Ctrl-C ends a live source, the second one interrupts; then all is as before."""

import os
import signal
import threading

import pytest

from segpp.runtime.media.live.signals import ended_by_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_and_the_second_one_interrupts(number: signal.Signals) -> None:
    before = signal.signal(number, signal.default_int_handler)
    stopped = threading.Event()
    try:
        with ended_by_signals(stopped.set):
            signal.raise_signal(number)
            assert stopped.wait(5)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stopped = threading.Event()
    try:
        with ended_by_signals(stopped.set):
            signal.raise_signal(signal.SIGHUP)
        assert not stopped.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_whoever_watches_for_signals_watches_again_afterwards() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    try:
        with ended_by_signals(lambda: None):
            signal.raise_signal(signal.SIGINT)
        inside = signal.set_wakeup_fd(before)
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)

    assert inside == writing


def test_in_another_thread_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGINT)
    found: list[object] = []

    def inside() -> None:
        with ended_by_signals(lambda: None):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()

    assert found == [before]
