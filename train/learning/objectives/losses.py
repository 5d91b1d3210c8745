"""How far a student is from its teacher, on masks and on what its stages give, and from labels.

All are means over images of equal weight, so that the gradients of two halves of a batch have the
whole batch's gradient as their mean.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["NO_LABEL", "label_error", "log_probabilities", "mask_divergence", "stage_error"]

# Of pixels that do not count.
NO_LABEL = -1

# A stage that gives nothing but zeros has no scale.
_TINY = 1e-6


def mask_divergence(
    student: Tensor, teacher: Tensor, temperature: float = 1.0, *, align_corners: bool = False
) -> Tensor:
    """Return KL(teacher ‖ student) of the classes, the mean over pixels and images, times T².

    Args:
        student: Logits (B, K, h', w'); of a head on a smaller grid they are resized as masks are.
        teacher: Logits (B, K, h, w).
        temperature: T, by which both are divided.
        align_corners: How logits are resized.

    Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015 (arXiv:1503.02531),
    section 2, there for one label per image.
    """
    ours = log_probabilities(_resized(student, teacher, align_corners), temperature)
    theirs = log_probabilities(teacher, temperature)
    per_pixel = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(1)
    return per_pixel.mean() * temperature**2


def stage_error(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """Return the mean squared error of the stages' outputs, relative to the teacher's squares.

    Stages differ in scale by orders of magnitude; each counts the same here.

    Args:
        student: (B, …) of each stage.
        teacher: Likewise.

    Source: Romero et al., FitNets, 2015 (arXiv:1412.6550), section 2.2, there of one layer.
    """
    errors = [_relative(ours, theirs) for ours, theirs in zip(student, teacher, strict=True)]
    return torch.stack(errors).mean()


def label_error(logits: Tensor, labels: Tensor, *, align_corners: bool = False) -> Tensor:
    """Return the cross entropy of labels, the mean over images of that over their pixels.

    Logits are resized as masks are, so that what is learned is what is scored. An image in which no
    pixel counts has an error of zero.

    Args:
        logits: (B, K, h, w).
        labels: Class of each pixel (B, H, W); ``NO_LABEL`` of those that do not count.
        align_corners: How logits are resized.

    Source: Long et al., Fully Convolutional Networks, 2015 (arXiv:1411.4038), section 4.3.
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if wide.shape[2:] != labels.shape[1:]:
        size = [*labels.shape[1:]]
        wide = F.interpolate(wide, size, mode="bilinear", align_corners=align_corners)
    errors = F.nll_loss(log_probabilities(wide), labels, ignore_index=NO_LABEL, reduction="none")
    counted = (labels != NO_LABEL).sum((1, 2)).clamp(min=1)
    return (errors.sum((1, 2)) / counted).mean()


def log_probabilities(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Return log probabilities (B, K, h, w) in FP32 at least; of one channel those of two classes.

    One logit z is the softmax of 0 and z.
    """
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature
    if wide.shape[1] == 1:
        wide = torch.cat([torch.zeros_like(wide), wide], 1)
    return wide.log_softmax(1)


def _resized(student: Tensor, teacher: Tensor, align_corners: bool) -> Tensor:  # noqa: FBT001 - torch's own
    if student.shape[2:] == teacher.shape[2:]:
        return student
    wide = student.to(torch.promote_types(student.dtype, torch.float32))
    return F.interpolate(wide, teacher.shape[2:], mode="bilinear", align_corners=align_corners)


def _relative(ours: Tensor, theirs: Tensor) -> Tensor:
    kind = torch.promote_types(ours.dtype, torch.float32)
    ours, theirs = ours.to(kind), theirs.to(kind)
    own = tuple(range(1, theirs.ndim))
    error = (ours - theirs).square().mean(own)
    scale = theirs.square().mean(own).clamp(min=_TINY)
    return (error / scale).mean()
