"""Steps warm up, and fall to almost nothing; a better check is one with more agreement."""

import signal

import pytest

from segpp.train.learning.judged import Judged
from segpp.train.learning.schedule import learning_rate, warm_up_doubt
from segpp.train.learning.signals import undivided


def test_the_rate_warms_up_and_falls() -> None:
    rates = [learning_rate(1.0, step, step / 1000) for step in range(1001)]

    assert rates[0] == pytest.approx(1 / 20, rel=1e-3)
    assert max(rates) > 0.99
    assert rates[30:] == sorted(rates[30:], reverse=True)
    assert rates[500] == pytest.approx(0.505)
    assert rates[1000] == pytest.approx(0.01)


def test_a_training_that_ends_about_when_its_warm_up_does_is_doubted() -> None:
    full = next(step for step in range(100) if learning_rate(1.0, step, 0.0) == 1.0) + 1

    assert [steps for steps in range(100) if warm_up_doubt(steps)] == list(range(2 * full))
    told = f"ended after 21 steps, and over the first {full} the learning rate only warms up"
    assert told in (warm_up_doubt(21) or "")


def test_agreement_goes_before_divergence() -> None:
    assert Judged(0.9, 0.5).is_better_than(Judged(0.8, 0.1))
    assert Judged(0.9, 0.1).is_better_than(Judged(0.9, 0.2))
    assert not Judged(0.9, 0.1).is_better_than(Judged(0.9, 0.1))


def test_a_signal_waits_for_the_end_of_an_update() -> None:
    done: list[str] = []

    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - where it is raised is the point
        with undivided():
            signal.raise_signal(signal.SIGINT)
            done.append("the whole update")
        done.append("what comes after")

    assert done == ["the whole update"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
