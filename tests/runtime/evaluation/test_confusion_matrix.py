"""Confusion counts against a table worked out by hand, and against set arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segpp.errors import InputError
from segpp.runtime.evaluation.confusion_matrix import count_pixels, empty_matrix

# Three classes and one label (9) that does not count:
#   truth      0 0 1 1    predicted  0 1 1 1
#              2 2 9 9               2 0 0 1
TRUTH = np.array([[0, 0, 1, 1], [2, 2, 9, 9]], np.uint8)
PREDICTED = np.array([[0, 1, 1, 1], [2, 0, 0, 1]], np.uint8)


def test_the_matrix_has_true_classes_in_rows() -> None:
    found = count_pixels(TRUTH, PREDICTED, 3, {9})

    assert found.matrix.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert found.pixels == 6


def test_scores_are_those_worked_out_by_hand() -> None:
    found = count_pixels(TRUTH, PREDICTED, 3, {9})

    # class 0: 1 of 3; class 1: 2 of 3; class 2: 1 of 2
    assert found.iou.tolist() == [1 / 3, 2 / 3, 1 / 2]
    assert found.miou == (1 / 3 + 2 / 3 + 1 / 2) / 3
    assert found.pixel_accuracy == 4 / 6


def test_a_class_that_occurs_nowhere_has_no_iou_and_no_part_in_the_mean() -> None:
    found = count_pixels(np.array([0, 0]), np.array([0, 1]), 3)

    assert found.iou[:2].tolist() == [0.5, 0.0]
    assert np.isnan(found.iou[2])
    assert found.miou == 0.25


def test_an_ignored_class_has_no_iou_though_it_is_predicted() -> None:
    found = count_pixels(np.array([0, 1, 1]), np.array([0, 0, 1]), 2, {0})

    assert np.isnan(found.iou[0])
    assert found.miou == 0.5
    assert found.pixel_accuracy == 0.5


def test_without_pixels_no_score_is_a_number() -> None:
    found = empty_matrix(2)

    assert np.isnan(found.miou)
    assert np.isnan(found.pixel_accuracy)


def test_counts_beyond_32_bits_stay_exact() -> None:
    many = count_pixels(np.zeros(1, np.uint8), np.zeros(1, np.uint8), 1)
    total = many
    for _ in range(33):
        total += total

    assert total.pixels == 2**33


@pytest.mark.parametrize(
    ("truth", "predicted", "says"),
    [
        ([3], [0], "the labels hold class 3\n  there are classes 0 to 2"),
        ([0], [3], "the prediction holds class 3"),
        ([0], [-1], "the prediction holds class -1"),
        ([0, 1], [0], r"labels \(2,\) and a prediction \(1,\) do not fit"),
    ],
)
def test_what_is_no_class_is_refused(truth: list[int], predicted: list[int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        count_pixels(np.array(truth), np.array(predicted), 3)


@st.composite
def labelled(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    size = draw(st.integers(1, 60))
    truth = draw(st.lists(st.sampled_from([0, 1, 2, 3, 255]), min_size=size, max_size=size))
    predicted = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    return np.array(truth), np.array(predicted)


@settings(max_examples=100, deadline=None)
@given(labelled(), st.lists(st.integers(0, 60), max_size=4), st.randoms(use_true_random=False))
def test_chunks_in_any_order_count_the_same(
    pixels: tuple[NDArray[np.int64], NDArray[np.int64]], cuts: list[int], chance: object
) -> None:
    truth, predicted = pixels
    at = sorted(cut for cut in cuts if cut <= len(truth))
    chunks = list(zip(np.split(truth, at), np.split(predicted, at), strict=True))
    chance.shuffle(chunks)  # type: ignore[attr-defined]  # hypothesis gives a random.Random

    total = empty_matrix(4, {255})
    for part in chunks:
        total += count_pixels(*part, 4, {255})

    assert np.array_equal(total.matrix, count_pixels(truth, predicted, 4, {255}).matrix)


@settings(max_examples=100, deadline=None)
@given(labelled())
def test_iou_is_intersection_over_union_of_pixel_sets(
    pixels: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    truth, predicted = pixels

    iou = count_pixels(truth, predicted, 4, {255}).iou

    for label in range(4):
        true = {i for i, value in enumerate(truth) if value == label}
        said = {i for i, v in enumerate(predicted) if v == label and truth[i] != 255}
        expected = len(true & said) / len(true | said) if true | said else float("nan")
        assert np.array_equal(iou[label], expected, equal_nan=True)


def test_a_matrix_that_no_memory_holds_is_refused() -> None:
    with pytest.raises(InputError, match="20,000 classes take a matrix of 20,000 x 20,000"):
        empty_matrix(20_000)
