"""How much of a mask is the reference's, and how much must be elsewhere."""

import numpy as np
import pytest

from segpp.certificate.agreement import agreement_of, by_class, min_agreement_of
from segpp.certificate.labels import Expected

TRUTH = np.array([[0, 0, 1, 1], [2, 2, 2, 2]], np.uint8)
NO_TIES = np.zeros(TRUTH.shape, bool)


def test_what_is_too_close_to_call_does_not_count() -> None:
    mask, ties = TRUTH.copy(), NO_TIES.copy()
    mask[0, 0], mask[1, 0] = 1, 0
    ties[0, 0] = True

    assert agreement_of(mask, Expected(TRUTH, NO_TIES)) == 6 / 8
    assert agreement_of(mask, Expected(TRUTH, ties)) == 6 / 7


def test_where_all_are_ties_nothing_differs() -> None:
    assert agreement_of(TRUTH + 1, Expected(TRUTH, ~NO_TIES)) == 1.0


def test_no_class_of_a_crop_is_a_class_like_any_other() -> None:
    truth = np.where(TRUTH == 2, 255, TRUTH).astype(np.uint8)

    assert agreement_of(TRUTH, Expected(truth, NO_TIES)) == 0.5


def test_the_worst_class_comes_first_with_what_it_is_taken_for() -> None:
    mask = TRUTH.copy()
    mask[1, :3], mask[0, 2] = 1, 0

    first, second, third = by_class(mask, Expected(TRUTH, NO_TIES))

    assert (first.number, first.expected, first.agreeing, first.taken_for) == (2, 4, 1, 1)
    assert (second.number, second.expected, second.agreeing, second.taken_for) == (1, 2, 1, 0)
    assert (third.number, third.agreeing, third.taken_for) == (0, 2, None)


@pytest.mark.parametrize(
    ("precision", "least"), [("fp32", 0.989), ("fp16", 0.98), ("bf16", 0.97), ("int8", 0.96)]
)
def test_a_file_must_give_what_it_gave_less_what_its_precision_explains(
    precision: str, least: float
) -> None:
    assert min_agreement_of(0.99, precision) == pytest.approx(least, abs=1e-9)
    assert min_agreement_of(0.0, precision) == 0.0
