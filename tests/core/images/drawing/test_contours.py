"""Lines between classes."""

import numpy as np
import pytest

from segpp.images.drawing.contours import contours, draw_contours, line_width

HALVES = np.repeat(np.array([[0, 0, 0, 1, 1, 1]], np.uint8), 4, axis=0)


def test_a_contour_is_where_the_next_pixel_is_of_another_class() -> None:
    found = contours(np.array([[0, 0, 1], [0, 0, 1], [2, 2, 2]], np.uint8))

    assert found.tolist() == [[0, 1, 0], [1, 1, 1], [0, 0, 0]]


def test_one_class_has_no_contour() -> None:
    picture = np.full((4, 6, 3), 90, np.uint8)

    assert (draw_contours(picture, np.zeros((4, 6), np.uint8)) == picture).all()


@pytest.mark.parametrize("gray", [0, 255])
def test_a_line_is_seen_on_black_and_on_white(gray: int) -> None:
    picture = np.full((4, 6, 3), gray, np.uint8)

    drawn = draw_contours(picture, HALVES)

    assert drawn[:, 2].min() == 255
    assert drawn[:, (1, 3)].max() < 128
    assert (drawn[:, (0, 5)] == gray).all()
    assert (picture == gray).all()


@pytest.mark.parametrize(("side", "width"), [(1, 1), (480, 1), (2048, 3), (4096, 6)])
def test_a_line_grows_with_the_picture(side: int, width: int) -> None:
    assert line_width(side // 2 or 1, side) == width
