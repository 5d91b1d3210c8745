"""What browsers see: the newest picture, drawn once, and the numbers to it."""

import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from segpp.runtime.inference.predict import Prediction
from segpp.runtime.inference.session import Timing
from segpp.runtime.media.items import ImageName
from segpp.runtime.media.live.account import LiveAccount
from segpp.runtime.media.looks.base import RenderConfig, Segmented
from segpp.runtime.serve.view import LiveView

RENDER = RenderConfig(("overlay",), ((200, 0, 0), (0, 200, 0)), 1.0, ("road", "<b>sky"), "panel")


def shown(label: int, size: tuple[int, int] = (48, 64)) -> Segmented:
    return Segmented(np.zeros((*size, 3), np.uint8), np.full(size, label, np.uint8))


def prediction() -> Prediction:
    return Prediction(ImageName("a", "camera"), (48, 64), (0.25, 0.75), Timing(1, 20, 3), [])


def test_the_newest_picture_is_drawn_without_its_legend_and_once() -> None:
    view = LiveView("title", render=RENDER)
    view.show(shown(0))
    view.show(shown(1))

    first, second = view.picture(0, 1), view.picture(0, 1)

    assert first is not None
    assert first[0] == 2
    assert second is not None
    assert second[1] is first[1]
    with Image.open(io.BytesIO(first[1])) as image:
        assert image.size == (64, 48)
        red, green, blue = np.asarray(image)[24, 32].tolist()
    assert (red, blue) == (pytest.approx(0, abs=6), pytest.approx(0, abs=6))
    assert green == pytest.approx(200, abs=6)


def test_a_large_picture_is_made_smaller() -> None:
    view = LiveView("title", render=RENDER)
    view.show(shown(0, (1200, 2400)))

    found = view.picture(0, 1)

    assert found is not None
    with Image.open(io.BytesIO(found[1])) as image:
        assert image.size == (1280, 640)


def test_who_has_the_newest_waits_for_the_next_or_the_end() -> None:
    view = LiveView("title", render=RENDER)
    view.show(shown(0))

    assert view.picture(1, 0.05) is None
    threading.Timer(0.05, view.show, [shown(1)]).start()
    found = view.picture(1, 30)
    assert found is not None
    assert found[0] == 2
    threading.Timer(0.05, view.end).start()
    assert view.picture(2, 30) is None


def test_the_state_has_every_class_in_its_place_and_is_json() -> None:
    account = LiveAccount(seen=5, dropped=3)
    account.add(40.0)
    view = LiveView("title", account, RENDER)
    view.tell(prediction())

    state = json.loads(json.dumps(view.state()))

    assert state["classes"] == [
        {"name": "road", "color": "#c80000", "share": 0.25},
        {"name": "<b>sky", "color": "#00c800", "share": 0.75},
    ]
    assert (state["done"], state["seen"], state["dropped"]) == (1, 5, 3)
    assert state["latency_ms"] == {"50": 40.0, "95": 40.0}
    assert (state["network_ms"], state["size"], state["over"]) == (20, [48, 64], False)


def test_what_is_stored_is_counted_by_the_view() -> None:
    view = LiveView("title", render=RENDER)
    view.tell(prediction())

    state = view.state()

    assert (state["done"], state["dropped"]) == (1, 0)
    assert state["latency_ms"] == {"50": 24.0, "95": 24.0}


def test_before_the_network_is_loaded_there_is_a_state_too() -> None:
    assert LiveView("title").state()["classes"] == []
