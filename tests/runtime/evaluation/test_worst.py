"""The worst images: few, in order, counted as the scores are."""

import numpy as np

from segpp.runtime.evaluation.worst import WorstImages

PALETTE = ((200, 0, 0), (0, 200, 0))
IMAGE = np.full((10, 10, 3), 90, np.uint8)
TRUTH = np.zeros((10, 10), np.int32)


def wrong(pixels: int) -> np.ndarray:
    labels = np.zeros(100, np.uint8)
    labels[:pixels] = 1
    return labels.reshape(10, 10)


def kept(limit: int, *errors: int) -> WorstImages:
    images = WorstImages(limit, PALETTE, frozenset({255}), ("model",))
    for number, pixels in enumerate(errors):
        images.add(f"{number}.png", IMAGE, TRUTH, [wrong(pixels)])
    return images


def test_the_worst_are_kept_the_worst_first() -> None:
    found = kept(3, 5, 50, 0, 99, 7, 50).kept

    assert [one.name for one in found] == ["3.png", "1.png", "5.png"]
    assert [one.accuracies for one in found] == [(1 - 0.99,), (0.5,), (0.5,)]


def test_a_limit_of_none_keeps_nothing() -> None:
    assert kept(0, 5, 50).kept == []


def test_of_several_models_the_worse_one_decides() -> None:
    images = WorstImages(1, PALETTE, frozenset(), ("good", "bad"))
    images.add("a.png", IMAGE, TRUTH, [wrong(10), wrong(20)])
    images.add("b.png", IMAGE, TRUTH, [wrong(0), wrong(90)])

    [one] = images.kept
    assert one.name == "b.png"
    assert [title for title, _ in one.pictures] == [
        *("input", "prediction of good", "errors of good"),
        *("labels", "prediction of bad", "errors of bad"),
    ]


def test_pixels_that_are_ignored_do_not_count() -> None:
    images = WorstImages(1, PALETTE, frozenset({255}), ("model",))
    truth = TRUTH.copy()
    truth[:5] = 255

    images.add("a.png", IMAGE, truth, [wrong(50)])
    images.add("nothing.png", IMAGE, np.full((10, 10), 255, np.int32), [wrong(100)])

    assert [(one.name, one.accuracies) for one in images.kept] == [("a.png", (1.0,))]
