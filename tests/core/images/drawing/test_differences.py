"""Where two masks differ."""

import numpy as np
import pytest

from segpp.errors import InputError
from segpp.images.drawing.differences import DIFFERENT, mark_differences, share_different

IMAGE = np.full((2, 2, 3), 100, np.uint8)
ONE, OTHER = np.array([[0, 1], [2, 3]]), np.array([[0, 1], [2, 0]])


def test_the_share_is_of_all_pixels_or_of_those_counted() -> None:
    counted = np.array([[False, True], [False, True]])

    assert share_different(ONE, OTHER) == 0.25
    assert share_different(ONE, OTHER, counted) == 0.5
    assert share_different(ONE, ONE) == 0.0


def test_where_neither_saw_anything_nothing_agrees() -> None:
    mine, theirs = np.array([[255, 255], [2, 3]]), np.array([[255, 1], [2, 0]])

    assert share_different(mine, theirs) == 0.5
    assert share_different(mine, theirs, unseen=255) == pytest.approx(2 / 3)
    assert share_different(mine, theirs, np.array([[1, 0], [1, 0]], bool), unseen=255) == 0.0
    assert share_different(mine[:1, :1], mine[:1, :1], unseen=255) == 0.0


def test_pixels_that_differ_are_marked_and_the_others_gray() -> None:
    marked = mark_differences(IMAGE, ONE, OTHER)

    assert tuple(marked[1, 1]) == DIFFERENT
    assert len({tuple(pixel) for pixel in marked.reshape(-1, 3).tolist()}) == 2
    assert len(set(marked[0, 0].tolist())) == 1


def test_pixels_that_do_not_count_are_not_marked() -> None:
    marked = mark_differences(IMAGE, ONE, OTHER, np.zeros((2, 2), bool))

    assert DIFFERENT not in {tuple(pixel) for pixel in marked.reshape(-1, 3).tolist()}


def test_masks_of_other_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit together"):
        mark_differences(IMAGE, ONE, OTHER[:1])
