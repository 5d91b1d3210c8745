"""Classes from colours, and numbers from the palettes that programs pack anew."""

from pathlib import Path

import numpy as np
import pytest

from segpp.datasets.colors import classes_of_colors, numbers_of_palette
from segpp.errors import InputError
from segpp.images.palette import Color

CLASSES = ((128, 64, 128), (0, 0, 142), (70, 130, 180))
BLACK = (0, 0, 0)
INDICES = np.array([[0, 1], [2, 0]], np.uint8)


def packed(*colors: tuple[int, int, int]) -> np.ndarray:
    return np.array(colors, np.uint8)


def read(colors: np.ndarray, palette: tuple[Color, ...] = CLASSES) -> list[list[int]]:
    return numbers_of_palette(INDICES, colors, palette, Path("x.png"))[0].tolist()


def test_a_palette_of_greys_means_its_values_in_whatever_order() -> None:
    assert read(packed((7, 7, 7), (0, 0, 0), (11, 11, 11))) == [[7, 0], [11, 7]]


def test_a_coloured_palette_is_indices() -> None:
    assert read(packed((1, 2, 3), (4, 5, 6), (7, 8, 9))) == INDICES.tolist()
    assert read(packed(*CLASSES)) == INDICES.tolist()


def test_the_colours_of_the_classes_in_another_order_are_these_classes() -> None:
    colors = packed(CLASSES[2], CLASSES[0], CLASSES[1])

    numbers, are_classes = numbers_of_palette(INDICES, colors, CLASSES, Path("x.png"))

    assert (numbers.tolist(), are_classes) == ([[2, 0], [1, 2]], True)


@pytest.mark.parametrize(
    ("colors", "expected"),
    [
        (packed(BLACK, CLASSES[1], CLASSES[0]), [[255, 1], [0, 255]]),
        (packed(CLASSES[0], CLASSES[1], BLACK), [[0, 1], [255, 0]]),
    ],
)
def test_black_in_a_packed_palette_is_no_class(
    colors: np.ndarray, expected: list[list[int]]
) -> None:
    assert read(colors) == expected


def test_black_in_the_place_of_class_0_is_asked_about() -> None:
    colors = packed(BLACK, CLASSES[1], CLASSES[2])

    with pytest.raises(InputError, match=r"black as its first colour(.|\n)*hint: if it is class 0"):
        read(colors)

    # As the hint says.
    assert read(colors, (BLACK, *CLASSES[1:])) == INDICES.tolist()


def test_a_packed_palette_with_a_colour_of_no_class_is_refused() -> None:
    with pytest.raises(InputError, match="in another order, and beside them 255 255 255"):
        read(packed(CLASSES[1], CLASSES[0], (255, 255, 255)))
    # Though one is in place.
    colors = packed(CLASSES[0], CLASSES[2], CLASSES[1], (255, 255, 255))
    with pytest.raises(InputError, match="in another order, and beside them 255 255 255"):
        numbers_of_palette(np.array([[0, 1], [2, 3]]), colors, CLASSES, Path("x.png"))


def test_of_two_classes_of_one_colour_each_is_itself() -> None:
    twins = (CLASSES[0], CLASSES[1], CLASSES[0])

    assert read(packed(*twins), twins) == INDICES.tolist()


def test_the_colours_of_voc_packed_anew_are_vocs_numbers() -> None:
    # An aeroplane is 1, a person 15, the border 255.
    colors = packed((192, 128, 128), (128, 0, 0), (224, 224, 192))

    numbers, are_classes = numbers_of_palette(INDICES, colors, CLASSES, Path("x.png"))

    assert (numbers.tolist(), are_classes) == ([[15, 1], [255, 15]], False)


def test_vocs_palette_is_indices_though_the_classes_have_some_of_its_colours() -> None:
    # The first nine of it, as annotators save labels of any classes.
    colors = [(128 * (n & 1), 64 * (n & 2), 32 * (n & 4)) for n in range(8)]
    classes = (colors[7], colors[1], colors[0])

    assert read(packed(*colors, (64, 0, 0)), classes) == INDICES.tolist()


def test_sixteen_old_colours_are_no_palette_of_vocs() -> None:
    # Grey, number 8 of them, is VOC's number 7.
    colors = np.zeros((16, 3), np.uint8)
    colors[1], colors[2], colors[8:10] = (128, 0, 0), (0, 128, 0), [(128, 128, 128), (255, 0, 0)]
    indices = np.array([[0, 1, 8]], np.uint8)

    assert numbers_of_palette(indices, colors, CLASSES, Path("x"))[0].tolist() == [[0, 1, 8]]


def test_numbers_without_a_colour_are_numbers_unless_greys_are_meant() -> None:
    assert read(packed((0, 0, 0), (1, 1, 1))) == INDICES.tolist()
    assert read(packed((9, 0, 0), (1, 2, 3))) == INDICES.tolist()
    with pytest.raises(InputError, match="2 colours, and pixels of number 2"):
        read(packed((1, 1, 1), (0, 0, 0)))


def test_grey_colours_of_no_class_are_told_as_what_they_may_be(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 3), 5, np.uint8)

    with pytest.raises(InputError, match="all its pixels are grey: it may hold class numbers"):
        classes_of_colors(pixels, CLASSES, tmp_path)
