"""What is kept of a run: everything of one that ends, the last of one that does not."""

from segpp.errors import ImageError
from segpp.runtime.inference.predict import FailedImage, Prediction
from segpp.runtime.inference.result import Timing
from segpp.runtime.inference.summary import RunSummary
from segpp.runtime.media.items import ImageName
from segpp.runtime.media.live.account import LiveAccount


def prediction(number: int, latency_ms: float | None = None) -> Prediction:
    name = ImageName(f"frame-{number}", "camera")
    return Prediction(name, (2, 2), (1.0,), Timing(1, 2, 3), [], None, latency_ms)


def summary(live: LiveAccount | None = None) -> RunSummary:
    return RunSummary("onnxruntime", (32, 64), "stretch", ("road",), live=live)


def test_everything_of_what_is_stored_is_kept() -> None:
    found = summary()
    for number in range(3000):
        found.add(prediction(number))
    found.add(FailedImage(ImageName("b", "b.png"), ImageError("it is damaged")))

    assert (found.count, len(found.done), len(found.failed)) == (3000, 3000, 1)


def test_of_a_live_source_the_last_thousand_are_kept_and_all_are_counted() -> None:
    found = summary(LiveAccount())
    for number in range(3000):
        found.add(prediction(number, float(number)))

    assert (found.count, len(found.done)) == (3000, 1000)
    assert found.done[-1].item.name == "frame-2999"
    assert found.live is not None
    assert found.live.latency(100) == 2999
