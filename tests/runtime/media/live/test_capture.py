"""The newest frame wins; breaks, stalls and ends of every kind."""

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from segpp.errors import ImageError
from segpp.runtime.media.live.capture import Capture
from segpp.runtime.media.live.reader import LiveConfig, LivePicture

Step = Callable[["Script"], Any]


class Script:
    """A reader that plays: a number is a picture of that grey, a function is called."""

    rate = 30.0

    def __init__(self, *steps: object) -> None:
        self._steps = steps
        self.interrupted, self.closed = threading.Event(), threading.Event()

    def pictures(self) -> Iterator[LivePicture]:
        for step in self._steps:
            if callable(step):
                step(self)
            else:
                yield LivePicture(time.monotonic(), partial(np.full, (2, 3, 3), step, np.uint8))

    def interrupt(self) -> None:
        self.interrupted.set()

    def close(self) -> None:
        self.closed.set()


def stall(script: Script) -> None:
    script.interrupted.wait(30)


def hang(_script: Script) -> None:
    time.sleep(30)


def fail(_script: Script) -> None:
    raise ImageError("the cable is out")


def greys(capture: Capture) -> list[object]:
    found: list[object] = []
    for item in capture.items():
        try:
            found.append(int(item.load()[0, 0, 0]))
        except ImageError as failure:  # noqa: PERF203 - the last one tells why it ended
            found.append(str(failure).partition("\n")[0])
    return found


def scripts(*given: Script) -> Callable[[], Script]:
    left = iter(given)

    def open_next() -> Script:
        following = next(left, None)
        if following is None:
            raise ImageError("nobody is there")
        return following

    return open_next


def test_whoever_is_slow_gets_the_newest_and_the_rest_is_counted_as_dropped() -> None:
    taken, ready = threading.Event(), threading.Event()

    def when_taken(_script: Script) -> None:
        ready.set()
        taken.wait(30)

    # After 1 came it waits, so that counting begins; then 2, 3 and 4 come at once.
    script = Script(1, when_taken, 2, 3, 4, lambda _one: ready.set(), stall)
    capture = Capture("camera", lambda: script, LiveConfig())
    items = capture.items()
    ready.wait(30)
    ready.clear()
    threading.Timer(0.05, taken.set).start()
    first = next(items)
    ready.wait(30)
    if first.load()[0, 0, 0] != 4:
        assert next(items).load()[0, 0, 0] == 4
    capture.close()

    assert capture.account.seen == 3
    assert capture.account.dropped >= 1
    assert list(items) == []


class Pixels:
    """Megabytes, for who counts how many of them live."""

    def __call__(self) -> np.ndarray:
        return np.full((2, 3, 3), 9, np.uint8)


def test_of_many_frames_that_nobody_takes_one_is_held() -> None:
    came: list[weakref.ref[Pixels]] = []
    done = threading.Event()

    class Fast(Script):
        def pictures(self) -> Iterator[LivePicture]:
            for _ in range(500):
                pixels = Pixels()
                came.append(weakref.ref(pixels))
                yield LivePicture(time.monotonic(), pixels)
            done.set()
            self.interrupted.wait(30)

    capture = Capture("camera", Fast, LiveConfig())
    done.wait(30)
    alive = [number for number, one in enumerate(came) if one() is not None]

    # The last one, for whoever takes it; the reader's own name for it is the same one.
    assert alive == [499]
    capture.close()


def test_items_have_the_times_at_which_they_came() -> None:
    script = Script(1, lambda _one: time.sleep(0.05), 2, lambda _one: time.sleep(0.1), 3, stall)
    capture = Capture("camera", lambda: script, LiveConfig(duration=0.5))

    found = [(item.named.time, item.named.captured) for item in capture.items()]
    capture.close()

    moments = [moment for moment, _ in found]
    assert moments[0] == 0.0
    assert moments == sorted(moments)  # type: ignore[type-var]  # numbers all
    assert all(captured is not None for _, captured in found)


def test_of_the_frames_that_come_every_second_one_can_be_taken() -> None:
    def pause(_script: Script) -> None:
        time.sleep(0.05)

    steps = [step for grey in range(1, 8) for step in (grey, pause)]
    capture = Capture("camera", lambda: Script(*steps), LiveConfig(every=2, reconnect=0))

    # The first was there before anybody asked.
    assert greys(capture) == [3, 5, 7]
    assert (capture.account.seen, capture.account.dropped) == (3, 0)
    capture.close()


def test_it_ends_when_its_time_is_up_even_if_nothing_comes() -> None:
    capture = Capture("camera", lambda: Script(1, stall), LiveConfig(duration=0.2))
    start = time.monotonic()

    assert greys(capture) == []
    assert 0.15 < time.monotonic() - start < 2
    capture.close()


def test_what_breaks_off_is_opened_again_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segpp.runtime.media.live.capture._FIRST_PAUSE", 0.01)
    said: list[str] = []
    slowly: Step = lambda _one: time.sleep(0.05)  # noqa: E731 - a step, beside numbers
    first, second = Script(1, slowly, 2, slowly, fail), Script(3, slowly, 4, slowly, stall)
    capture = Capture(
        "camera", scripts(first, second), LiveConfig(duration=1, after_break=said.append)
    )

    assert greys(capture)[-2:] == [3, 4]
    capture.close()
    assert said == ["the cable is out; opened again in 0.01 s", "camera is back"]
    assert capture.account.breaks == 1
    assert first.closed.is_set()


def test_what_does_not_come_back_ends_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segpp.runtime.media.live.capture._FIRST_PAUSE", 0.01)
    said: list[str] = []
    script = Script(1, lambda _one: time.sleep(0.05), 2, lambda _one: time.sleep(0.05), fail)
    capture = Capture("camera", scripts(script), LiveConfig(reconnect=3, after_break=said.append))

    assert greys(capture)[-1] == "nobody is there"
    assert [one.rpartition(" in ")[2] for one in said] == ["0.01 s", "0.02 s", "0.04 s"]


def test_an_end_is_no_failure_where_nothing_is_opened_again() -> None:
    slowly: Step = lambda _one: time.sleep(0.05)  # noqa: E731 - a step, beside numbers
    capture = Capture("camera", scripts(Script(1, slowly, 2, slowly)), LiveConfig(reconnect=0))

    assert greys(capture) == [2]
    assert capture.account.ended


def test_of_a_stream_that_is_over_before_it_is_asked_the_last_frame_is_left() -> None:
    capture = Capture("camera", scripts(Script(1, 2, 3)), LiveConfig(reconnect=0))
    while not capture.account.ended:
        time.sleep(0.01)

    assert greys(capture) == [3]
    assert (capture.account.seen, capture.account.dropped) == (1, 0)


def test_what_ends_in_order_at_every_try_has_stayed_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segpp.runtime.media.live.capture._FIRST_PAUSE", 0.01)
    slowly: Step = lambda _one: time.sleep(0.05)  # noqa: E731 - a step, beside numbers
    given = [Script(1, slowly, 2, slowly), Script(), Script()]
    capture = Capture("camera", scripts(*given), LiveConfig(reconnect=2))

    assert greys(capture) == [2, "camera ended"]
    assert capture.account.ended


def test_a_stall_is_interrupted_and_is_a_break() -> None:
    script = Script(1, lambda _one: time.sleep(0.05), 2, stall)
    capture = Capture("camera", scripts(script), LiveConfig(timeout=0.3, reconnect=0))

    assert greys(capture) == [2, "camera gave no frame for 0.3 s"]
    assert script.interrupted.is_set()


def test_a_driver_that_hangs_does_not_keep_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segpp.runtime.media.live.capture._PATIENCE", 0.3)
    script = Script(1, lambda _one: time.sleep(0.05), 2, hang)
    capture = Capture("camera", scripts(script), LiveConfig(timeout=0.3))
    start = time.monotonic()

    assert greys(capture) == [2, "camera gave no frame for 0.3 s"]
    capture.close()
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (Script(fail), "the cable is out"),
        (Script(stall), "gave no frame for 0.3 s"),
        (Script(), "ends before its first frame"),
    ],
    ids=["fails", "stalls", "ends"],
)
def test_without_a_first_frame_it_is_an_error_at_once(script: Script, says: str) -> None:
    start = time.monotonic()

    with pytest.raises(ImageError, match=says):
        Capture("camera", lambda: script, LiveConfig(timeout=0.3))
    assert time.monotonic() - start < 5
    assert script.closed.is_set()


def test_whoever_stops_it_ends_its_items_from_another_thread() -> None:
    capture = Capture("camera", lambda: Script(1, stall), LiveConfig())
    threading.Timer(0.1, capture.stop).start()

    assert greys(capture) == []
    capture.close()
