"""Which superpatches hold one class, by hand; and what a policy begins with.

Tests train/parts/superpatches.py.
"""

import torch

from segpp.train.learning.objectives import Given
from segpp.train.learning.objectives.losses import NO_LABEL
from segpp.train.parts.superpatches import (
    ONE_CLASS,
    SEVERAL,
    FromSuperpatches,
    superpatch_targets,
)


def labels_of(rows: int, columns: int) -> torch.Tensor:
    """Superpatches of the classes 0, 1, 2, …, each alone in its own."""
    numbers = torch.arange(rows * columns).reshape(1, rows, columns)
    return numbers.repeat_interleave(32, 1).repeat_interleave(32, 2)


def test_one_class_in_every_pixel_is_one_and_a_single_other_pixel_makes_several() -> None:
    labels = labels_of(2, 2)
    labels[0, 63, 31] = 0

    found = superpatch_targets(labels)

    assert found.tolist() == [[[ONE_CLASS, ONE_CLASS], [SEVERAL, ONE_CLASS]]]


def test_pixels_that_do_not_count_leave_it_open_unless_they_are_all_or_two_classes_stay() -> None:
    labels = labels_of(1, 3)
    labels[0, :, :32] = NO_LABEL
    labels[0, 0, 32] = NO_LABEL
    labels[0, 0, 64:66] = torch.tensor([NO_LABEL, 0])

    found = superpatch_targets(labels)

    assert found.tolist() == [[[ONE_CLASS, NO_LABEL, SEVERAL]]]


def test_what_the_network_fills_up_does_not_count_and_half_a_superpatch_is_none() -> None:
    # Four rows of patches, the last of 8 pixels, and five columns.
    labels = labels_of(2, 3)[:, :56, :80]

    found = superpatch_targets(labels)

    assert found.tolist() == [[[ONE_CLASS] * 2, [NO_LABEL] * 2]]


def test_the_loss_is_the_mean_over_images_of_what_counts() -> None:
    labels = torch.cat([labels_of(1, 2), labels_of(1, 2)])
    labels[0, 0, 0], labels[1, 0, 32] = 1, NO_LABEL
    logits = torch.tensor([[[2.0, 1.0]], [[0.0, 3.0]]])[None].expand(2, -1, -1, -1)

    found = FromSuperpatches().loss(Given(logits, []), None, labels, 0.0)

    # Softplus of the difference of the right logit and the other, by hand.
    def missed(difference: float) -> float:
        return float(torch.nn.functional.softplus(torch.tensor(difference)))

    first = (missed(0.0 - 2.0) + missed(1.0 - 3.0)) / 2
    assert torch.isclose(found, torch.tensor((first + missed(2.0 - 0.0)) / 2))
