"""Learning from labels, and from a teacher besides where that is asked for."""

from dataclasses import dataclass

from torch import Tensor

from segpp.train.learning.objectives import Given
from segpp.train.learning.objectives.losses import label_error, mask_divergence
from segpp.train.learning.tapped import Tapped

__all__ = ["FromLabels"]


@dataclass(frozen=True)
class FromLabels:
    """What a student learns with labels.

    Attributes:
        teacher: What is learned from besides; None if nothing is.
        align_corners: How logits are resized.
        distil_weight: Of the divergence of the teacher's masks and the student's.
        temperature: Of these masks.
        auxiliary_weight: Of the cross entropy of each auxiliary head, where there are any.
    """

    teacher: Tapped | None
    align_corners: bool
    distil_weight: float = 0.0
    temperature: float = 1.0
    auxiliary_weight: float = 0.0

    def teach(self, images: Tensor) -> Given | None:
        """Return what the teacher gives, where there is one."""
        return None if self.teacher is None else Given(*self.teacher(images))

    def loss(
        self,
        given: Given,
        taught: Given | None,
        labels: Tensor | None,
        share: float,  # noqa: ARG002 - the same from beginning to end
    ) -> Tensor:
        """Return the cross entropy of the labels, and what counts besides by its weight."""
        if labels is None:
            raise TypeError("labels are what is learned from")
        loss = label_error(given.logits, labels, align_corners=self.align_corners)
        for logits in given.auxiliary:
            error = label_error(logits, labels, align_corners=self.align_corners)
            loss = loss + self.auxiliary_weight * error
        if taught is None:
            return loss
        return loss + self.distil_weight * mask_divergence(
            given.logits, taught.logits, self.temperature, align_corners=self.align_corners
        )
