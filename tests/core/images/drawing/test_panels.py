"""Several pictures as one."""

import numpy as np

from segpp.images.drawing.panels import arrange


def test_pictures_stand_in_rows_and_keep_their_pixels() -> None:
    panels = [(f"title {i}", np.full((100, 200, 3), 40 * i, np.uint8)) for i in range(1, 5)]

    sheet = arrange(panels, columns=2)

    assert sheet.shape[0] > 200
    assert 400 < sheet.shape[1] < 420
    for i in range(1, 5):
        # Letters are antialiased; a whole picture of one gray is not made of them.
        assert (sheet == 40 * i).all(-1).sum() >= 100 * 200


def test_a_title_of_anything_is_drawn_above_its_picture() -> None:
    picture = np.zeros((50, 80, 3), np.uint8)

    assert arrange([("\x1b" + "ß" * 1000, picture)], columns=2).shape[0] > 50
