"""The two losses: zero for the same, by hand for little, and means over images of equal weight."""

from math import log

import pytest
import torch
from torch.nn import functional as F

from segpp.train.learning.objectives.losses import log_probabilities, mask_divergence, stage_error


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_a_network_is_no_distance_from_itself(classes: int) -> None:
    logits, stages = drawn(2, classes, 3, 4), [drawn(2, 4, 3, 3), drawn(2, 8, 2, 2)]

    assert mask_divergence(logits, logits, 2.0).item() == pytest.approx(0, abs=1e-7)
    assert stage_error(stages, stages).item() == 0


def test_the_divergence_is_the_textbooks() -> None:
    teacher = torch.tensor([0.75, 0.25]).log()[None, :, None, None]
    student = torch.tensor([0.5, 0.5]).log()[None, :, None, None]

    expected = 0.75 * log(0.75 / 0.5) + 0.25 * log(0.25 / 0.5)
    # Six digits are what FP32 has.
    assert mask_divergence(student, teacher).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("align_corners", [False, True])
def test_logits_of_a_smaller_grid_are_compared_as_large_as_the_teachers(
    align_corners: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    student, teacher = drawn(2, 5, 3, 4), drawn(2, 5, 6, 8)

    found = mask_divergence(student, teacher, 2.0, align_corners=align_corners)

    large = F.interpolate(student, (6, 8), mode="bilinear", align_corners=align_corners)
    assert found.item() == mask_divergence(large, teacher, 2.0).item()


def test_one_logit_is_two_classes() -> None:
    one = torch.tensor([[[[0.7]]]])

    two = torch.tensor([0.0, 0.7])[None, :, None, None]
    assert torch.equal(log_probabilities(one), two.log_softmax(1))


def test_a_temperature_keeps_the_size_of_gradients() -> None:
    """KL falls with the square of the temperature, and is multiplied by it again."""
    teacher, student = drawn(1, 5, 4, 4), drawn(2, 5, 4, 4)[1:]

    cold, hot = (mask_divergence(student, teacher, t).item() for t in (20.0, 200.0))

    # From there on the expansion's next term is the temperature's inverse.
    assert hot == pytest.approx(cold, rel=0.1)


def test_a_stage_counts_relative_to_its_own_scale() -> None:
    teacher = [torch.full((1, 2, 2, 2), 2.0), torch.full((1, 2, 2, 2), 1000.0)]
    student = [torch.full((1, 2, 2, 2), 3.0), torch.full((1, 2, 2, 2), 1500.0)]

    # Each is off by half of what its teacher gives: a quarter of the square.
    assert stage_error(student, teacher).item() == pytest.approx(0.25)


def test_two_halves_have_the_wholes_loss_as_their_mean() -> None:
    ours, theirs = drawn(4, 3, 4, 4), drawn(8, 3, 4, 4)[4:] * 3

    for loss in (mask_divergence, lambda a, b: stage_error([a], [b])):
        halves = [loss(ours[part], theirs[part]) for part in (slice(2), slice(2, 4))]
        # One rounding of FP32 for each of a few additions.
        assert loss(ours, theirs).item() == pytest.approx(sum(halves).item() / 2, rel=1e-5)
