"""Legends: the classes that occur, in a size that can be read, without hiding the picture."""

import numpy as np
import pytest

from segpp.images.drawing.legend import (
    PAPER,
    Entry,
    add_legend,
    entries_of,
    legend_inside,
    text_height,
    without_shares,
)

NAMES = ("sky", "road", "car")
PALETTE = ((10, 20, 200), (200, 10, 20), (20, 200, 10))


def labels(height: int = 60, width: int = 120) -> np.ndarray:
    """A quarter sky, three quarters road, no car; one pixel of no class."""
    found = np.ones((height, width), np.uint8)
    found[: height // 4] = 0
    found[-1, -1] = 255
    return found


def colors_in(picture: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, picture.reshape(-1, 3).tolist()))


def test_only_what_occurs_is_listed_the_largest_first() -> None:
    entries = entries_of(labels(), NAMES, PALETTE)

    assert [entry.name for entry in entries] == ["road", "sky"]
    assert entries[1] == Entry(0, "sky", PALETTE[0], 0.25)
    assert entries[0].share == pytest.approx(0.75 - 1 / 7200)


def test_what_was_not_seen_is_the_last_of_shares_that_sum_to_one() -> None:
    found = labels()
    found[:30] = 255

    *classes, missed = entries_of(found, NAMES, PALETTE, unseen=255)

    assert missed == Entry(-1, "not seen", None, pytest.approx(0.5, abs=1e-3))
    assert sum(one.share or 0 for one in (*classes, missed)) == pytest.approx(1.0)
    assert entries_of(labels(), NAMES, PALETTE, unseen=-1) == entries_of(labels(), NAMES, PALETTE)


def test_a_film_lists_every_class_in_the_order_of_numbers() -> None:
    entries = entries_of(labels(), NAMES, PALETTE, every=True)

    assert [(entry.name, entry.share) for entry in entries][::2] == [("sky", 0.25), ("car", 0.0)]


def test_a_class_without_a_name_is_called_by_its_number() -> None:
    assert [e.name for e in entries_of(labels(), NAMES[:1], PALETTE)] == ["1", "sky"]


def test_a_panel_lies_below_a_wide_picture_and_leaves_it_alone() -> None:
    picture = np.full((300, 600, 3), 77, np.uint8)

    whole = add_legend(picture, entries_of(labels(300, 600), NAMES, PALETTE))

    assert whole.shape[1] == 600
    assert (whole[:300] == 77).all()
    assert colors_in(whole[300:]) > {PAPER, PALETTE[0], PALETTE[1]}
    assert PALETTE[2] not in colors_in(whole)


def test_a_panel_stands_beside_a_tall_picture() -> None:
    picture = np.full((600, 300, 3), 77, np.uint8)

    whole = add_legend(picture, entries_of(labels(600, 300), NAMES, PALETTE))

    assert whole.shape[0] == 600
    assert whole.shape[1] > 300
    assert (whole[:, :300] == 77).all()


def test_the_panel_of_a_film_has_one_size_whatever_occurs() -> None:
    picture = np.zeros((300, 600, 3), np.uint8)

    sizes = {
        add_legend(picture, entries_of(found, NAMES, PALETTE, every=True), film=True).shape
        for found in (labels(300, 600), np.zeros((300, 600), np.uint8))
    }

    assert len(sizes) == 1


def test_a_small_film_names_the_eleven_classes_of_a_street() -> None:
    """Of two rows of 480 pixels the class with most of the street would be among those counted."""
    picture = np.zeros((360, 480, 3), np.uint8)
    entries = [Entry(i, f"Class {i}", (9 * i, 0, 0), 1 / 11) for i in range(11)]

    panel = add_legend(picture, entries, film=True)[360:]

    assert all((panel == (9 * i, 0, 0)).all(2).any() for i in range(1, 11))
    assert panel.shape[0] < 0.4 * 360


def test_the_panel_of_a_film_of_many_classes_stays_below_a_third_of_its_height() -> None:
    picture = np.zeros((300, 600, 3), np.uint8)
    entries = [Entry(i, f"class {i}", (i, i, i), 0.01) for i in range(150)]

    assert add_legend(picture, entries, film=True).shape[0] < 1.4 * 300


def test_inside_it_takes_an_eighth_of_the_picture_at_most() -> None:
    picture = np.full((400, 800, 3), 77, np.uint8)
    entries = [Entry(i, f"a rather long name {i}", (i, 0, 0), 0.01) for i in range(100)]

    drawn = legend_inside(picture, entries, np.zeros((400, 800), np.uint8))

    assert drawn.shape == picture.shape
    assert 0 < (drawn != picture).any(-1).mean() < 0.125


def test_inside_it_takes_the_quietest_corner() -> None:
    picture, found = np.full((400, 800, 3), 77, np.uint8), np.zeros((400, 800), np.uint8)
    found[::2] = 1
    found[:200, 400:] = 0

    drawn = legend_inside(picture, entries_of(found, NAMES, PALETTE), found)

    changed = (drawn != picture).any(-1)
    assert changed[:200, 400:].any()
    assert not changed[200:].any()
    assert not changed[:, :400].any()


def test_a_picture_too_small_for_a_legend_inside_stays_as_it_is() -> None:
    picture = np.full((20, 20, 3), 77, np.uint8)

    assert (legend_inside(picture, [Entry(0, "sky", (1, 2, 3), 1.0)], labels(20, 20)) == 77).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (7, 9)])
def test_any_size_gets_a_panel(size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 9, np.uint8)

    whole = add_legend(picture, entries_of(np.zeros(size, np.uint8), NAMES, PALETTE))

    assert (whole[: size[0], : size[1]] == 9).all()


def test_a_picture_of_no_class_has_an_empty_panel() -> None:
    picture = np.zeros((50, 100, 3), np.uint8)

    assert entries_of(np.full((50, 100), 255, np.uint8), NAMES, PALETTE) == []
    assert add_legend(picture, []).shape[1] == 100


def test_names_of_every_script_and_none_are_drawn() -> None:
    names = ["Straße", "道路", "\x1b[0m", "x" * 10_000, "\ud800", ""]
    entries = [Entry(i, name, (9, 9, 9), 0.1) for i, name in enumerate(names)]

    whole = add_legend(np.zeros((300, 600, 3), np.uint8), entries)

    assert whole.shape[1] == 600


def test_shares_can_be_left_out() -> None:
    assert without_shares([Entry(0, "sky", (1, 2, 3), 0.5)]) == [Entry(0, "sky", (1, 2, 3), None)]


def test_text_grows_with_the_picture_and_never_gets_too_small() -> None:
    assert [text_height(10, 10), text_height(360, 480), text_height(1024, 2048)] == [12, 12, 34]
