"""Labels as an objective: by hand for little, and nothing from pixels that do not count.

Tests objectives/labels.py and objectives/distillation.py beside it.
"""

from math import log

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segpp.train.learning.objectives import Given
from segpp.train.learning.objectives.labels import FromLabels
from segpp.train.learning.objectives.losses import NO_LABEL, label_error, mask_divergence
from segpp.train.learning.tapped import Tapped


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_error_is_that_of_the_label_in_each_pixel() -> None:
    logits = torch.tensor([[0.75, 0.5], [0.25, 0.5]]).log().reshape(1, 2, 1, 2)

    found = label_error(logits, torch.tensor([[[0, 1]]]))

    assert found.item() == pytest.approx((-log(0.75) - log(0.5)) / 2, rel=1e-6)


def test_pixels_that_do_not_count_are_in_no_mean_and_have_no_gradient() -> None:
    logits = drawn(1, 3, 2, 2).requires_grad_()
    labels = torch.tensor([[[0, NO_LABEL], [2, NO_LABEL]]])

    label_error(logits, labels).backward()  # type: ignore[no-untyped-call]  # torch's own

    expected = F.cross_entropy(logits[:, :, :, 0], labels[:, :, 0])
    assert label_error(logits, labels).item() == pytest.approx(expected.item(), rel=1e-6)
    assert logits.grad is not None
    assert logits.grad[:, :, :, 1].abs().max() == 0


def test_an_image_without_labels_has_no_error() -> None:
    assert label_error(drawn(1, 3, 2, 2), torch.full((1, 2, 2), NO_LABEL)).item() == 0


def test_images_count_alike_however_many_of_their_pixels_do() -> None:
    logits, labels = drawn(2, 3, 4, 4), torch.ones(2, 4, 4, dtype=torch.int64)
    labels[0, 1:] = NO_LABEL

    halves = [label_error(logits[n : n + 1], labels[n : n + 1]).item() for n in range(2)]

    assert label_error(logits, labels).item() == pytest.approx(sum(halves) / 2, rel=1e-6)


@pytest.mark.parametrize("align_corners", [False, True])
def test_logits_are_resized_to_the_labels(align_corners: bool) -> None:  # noqa: FBT001 - a parameter of the test
    logits, labels = drawn(2, 3, 4, 6), torch.ones(2, 16, 24, dtype=torch.int64)

    large = F.interpolate(logits, (16, 24), mode="bilinear", align_corners=align_corners)

    found = label_error(logits, labels, align_corners=align_corners)
    assert found.item() == pytest.approx(F.cross_entropy(large, labels).item(), rel=1e-6)


def test_one_logit_is_of_two_classes() -> None:
    logits, labels = drawn(1, 1, 2, 2), torch.tensor([[[0, 1], [1, 1]]])

    expected = F.binary_cross_entropy_with_logits(logits[:, 0], labels.float())

    assert label_error(logits, labels).item() == pytest.approx(expected.item(), rel=1e-6)


class Teacher(nn.Module):
    """Gives the same for all images."""

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        return drawn(len(image), 3, 2, 2, seed=1), []


def test_a_teacher_counts_by_its_weight() -> None:
    given, labels = Given(drawn(2, 3, 2, 2), []), torch.ones(2, 2, 2, dtype=torch.int64)
    teacher: Tapped = Teacher()  # type: ignore[assignment]  # what it is called for

    alone = FromLabels(None, align_corners=False)
    both = FromLabels(teacher, align_corners=False, distil_weight=0.5, temperature=2.0)
    images = torch.zeros(2, 3, 8, 8)

    expected = label_error(given.logits, labels)
    assert alone.loss(given, alone.teach(images), labels, 0.0).item() == expected.item()
    apart = mask_divergence(given.logits, drawn(2, 3, 2, 2, seed=1), 2.0)
    found = both.loss(given, both.teach(images), labels, 0.0)
    assert found.item() == pytest.approx((expected + 0.5 * apart).item(), rel=1e-6)
