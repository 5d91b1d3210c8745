"""What a loss is said to be, and how sure: on data whose truth is known."""

import numpy as np
import pytest

from segpp.calib.selection.drop import drop_of, miou_of
from segpp.calib.selection.measure import Comparison


def confusions(
    draw: np.random.Generator, pictures: int, right: tuple[float, ...], pixels: int = 1000
) -> np.ndarray:
    """Return matrices (P, K, K) of classes of which a share is right, the rest anywhere."""
    classes = len(right)
    shares = np.full((classes, classes), 0.0)
    for label, share in enumerate(right):
        shares[label] = (1 - share) / (classes - 1)
        shares[label, label] = share
    counts = [[draw.multinomial(pixels, row) for row in shares] for _ in range(pictures)]
    return np.array(counts, np.int64)


def truth(right: tuple[float, ...]) -> float:
    """Return the mean IoU in points of what ``confusions`` draws from."""
    return miou_of(np.round(confusions_expected(right)).astype(np.int64))


def confusions_expected(right: tuple[float, ...], pixels: float = 1e9) -> np.ndarray:
    classes = len(right)
    shares = np.array([[(1 - r) / (classes - 1)] * classes for r in right])
    np.fill_diagonal(shares, right)
    return shares * pixels


def test_the_miou_is_the_mean_over_classes_of_what_both_share() -> None:
    counts = np.array([[3, 1, 0], [1, 4, 0], [0, 0, 0]])

    # The third class does not occur.
    assert miou_of(counts) == pytest.approx(100 * (3 / 5 + 4 / 6) / 2)
    assert miou_of(counts, ignored=[1]) == pytest.approx(100 * 3 / 5)
    assert miou_of(np.zeros((2, 2), np.int64)) == 0.0


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Forty-seven of fifty; that fewer than 40 do by chance has a probability below 1e-3."""
    before, after = (0.9, 0.8, 0.7), (0.89, 0.78, 0.66)
    expected, runs, held = truth(before) - truth(after), 50, 0

    for seed in range(runs):
        draw = np.random.default_rng(seed)
        reference, model = (confusions(draw, 30, right) for right in (before, after))
        drop = drop_of(Comparison(np.ones(30), reference, model), seed=seed)
        held += drop.low <= expected <= drop.high

    assert held >= 40


def test_more_pictures_make_it_surer() -> None:
    draw = np.random.default_rng(0)

    def width(pictures: int) -> float:
        reference, model = (confusions(draw, pictures, (0.9, right)) for right in (0.8, 0.7))
        drop = drop_of(Comparison(np.ones(pictures), reference, model))
        assert drop.low <= drop.points <= drop.high
        assert drop.pictures == pictures
        return drop.high - drop.low

    assert width(400) < width(25) / 2


def test_the_loss_of_each_class_is_its_own() -> None:
    reference = np.array([[[8, 2, 0], [0, 10, 0], [0, 0, 0]]])
    model = np.array([[[8, 2, 0], [5, 5, 0], [0, 0, 0]]])

    drop = drop_of(Comparison(np.array([0.75]), reference, model))

    first, second, third = drop.classes
    assert first == pytest.approx(100 * (8 / 10 - 8 / 15))
    assert second == pytest.approx(100 * (10 / 12 - 5 / 12))
    assert third is None
    assert drop.points == pytest.approx((first + second) / 2)
    assert drop.measure == "mIoU"


def test_a_class_that_is_ignored_has_no_loss() -> None:
    counts = confusions(np.random.default_rng(0), 3, (0.9, 0.8, 0.7))

    drop = drop_of(Comparison(np.ones(3), counts, counts, frozenset({1, 255})))

    assert drop.classes == (0.0, None, 0.0)


def test_without_labels_the_loss_is_what_does_not_agree() -> None:
    agreement = np.random.default_rng(0).uniform(0.9, 1.0, 50)

    drop = drop_of(Comparison(agreement))

    assert (drop.measure, drop.reference, drop.classes) == ("agreement", 100.0, ())
    assert drop.points == pytest.approx(100 * (1 - agreement.mean()))
    assert drop.low <= drop.points <= drop.high


def test_the_same_comparison_has_the_same_interval() -> None:
    comparison = Comparison(np.random.default_rng(0).uniform(0.9, 1.0, 50))

    assert drop_of(comparison) == drop_of(comparison)
