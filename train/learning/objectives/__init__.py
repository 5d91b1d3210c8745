"""What a student learns: how far what it gives is from what it ought to give, a file for each."""

from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

__all__ = ["Given", "Objective"]


@dataclass(frozen=True)
class Given:
    """What a network gives for images.

    Attributes:
        logits: (B, K, h, w).
        stages: Of every stage, as ``Network.stage_outputs``.
        auxiliary: Logits of every auxiliary head, as ``Network.auxiliary_logits``.
    """

    logits: Tensor
    stages: list[Tensor]
    auxiliary: list[Tensor] = field(default_factory=list)


class Objective(Protocol):
    """A loss of what a student gives, the mean over images of equal weight."""

    def teach(self, images: Tensor) -> Given | None:
        """Return what a teacher gives for images (B, C, H, W), or None without one.

        Called in the precision of the step, and without gradients.
        """
        ...

    def loss(
        self, given: Given, taught: Given | None, labels: Tensor | None, share: float
    ) -> Tensor:
        """Return the loss.

        Args:
            given: By the student.
            taught: By the teacher for the same images.
            labels: Class of each pixel (B, H, W); -1 where none counts. None without labels.
            share: Of the training that is done.
        """
        ...
