"""Dark pictures are lifted, others stay."""

import numpy as np
import pytest

from segpp.images.drawing.dark import lifted


def gray(value: int) -> np.ndarray:
    return np.full((8, 8, 3), value, np.uint8)


@pytest.mark.parametrize("value", [60, 128, 255])
def test_a_picture_that_is_not_dark_is_the_same_object(value: int) -> None:
    picture = gray(value)

    assert lifted(picture) is picture


@pytest.mark.parametrize("value", [20, 40, 59])
def test_a_dark_picture_gets_the_median_of_one_that_is_just_not_dark(value: int) -> None:
    # Rounding to 8 bits is half a step.
    assert lifted(gray(value)).mean() == pytest.approx(60, abs=0.5)


def test_night_stays_night_and_black_black() -> None:
    assert 0 < lifted(gray(2)).mean() < 60
    assert lifted(gray(0)).max() == 0


def test_what_is_brighter_stays_brighter() -> None:
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8, 1).repeat(3, 2)

    assert (np.diff(lifted(ramp)[..., 0].ravel().astype(int)) >= 0).all()
