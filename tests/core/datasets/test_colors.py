"""Classes from colours, and numbers from the palettes that programs pack anew."""

from pathlib import Path

import numpy as np
import pytest

from segpp.datasets.colors import classes_of_colors, numbers_of_palette
from segpp.errors import InputError

CLASSES = ((128, 64, 128), (0, 0, 142), (70, 130, 180))
INDICES = np.array([[0, 1], [2, 0]], np.uint8)


def packed(*colors: tuple[int, int, int]) -> np.ndarray:
    return np.array(colors, np.uint8)


def test_a_palette_of_greys_means_its_values_in_whatever_order() -> None:
    greys = packed((7, 7, 7), (0, 0, 0), (11, 11, 11))

    assert numbers_of_palette(INDICES, greys, CLASSES).tolist() == [[7, 0], [11, 7]]


def test_a_coloured_palette_is_indices() -> None:
    colors = packed((1, 2, 3), (4, 5, 6), (7, 8, 9))

    assert numbers_of_palette(INDICES, colors, CLASSES).tolist() == INDICES.tolist()
    assert numbers_of_palette(INDICES, packed(*CLASSES), CLASSES).tolist() == INDICES.tolist()


def test_the_colours_of_the_classes_in_another_order_are_these_classes() -> None:
    colors = packed(CLASSES[2], CLASSES[0], CLASSES[1])

    assert numbers_of_palette(INDICES, colors, CLASSES).tolist() == [[2, 0], [1, 2]]


def test_the_colours_of_voc_packed_anew_are_vocs_numbers() -> None:
    # An aeroplane is 1, a person 15, the border 255.
    colors = packed((192, 128, 128), (128, 0, 0), (224, 224, 192))

    assert numbers_of_palette(INDICES, colors, CLASSES).tolist() == [[15, 1], [255, 15]]


def test_grey_colours_of_no_class_are_told_as_what_they_may_be(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 3), 5, np.uint8)

    with pytest.raises(InputError, match="all its pixels are grey: it may hold class numbers"):
        classes_of_colors(pixels, CLASSES, tmp_path)
