"""Learning from a teacher alone: its masks, and what its stages give.

Auxiliary heads learn the teacher's masks too: from the network's own output, as without labels
nothing else tells them what a token is.
"""

from dataclasses import dataclass

from torch import Tensor

from segpp.train.learning.objectives import Given
from segpp.train.learning.objectives.losses import mask_divergence, stage_error
from segpp.train.learning.tapped import Tapped

__all__ = ["Distillation"]


@dataclass(frozen=True)
class Distillation:
    """What a student learns without labels.

    Attributes:
        teacher: What is learned from.
        align_corners: How logits are resized.
        mask_weight: Of the divergence of the masks.
        stage_weight: Of the error of the stages.
        temperature: Of the masks.
        stages_alone: Share of the training, at its beginning, in which masks do not count.
        auxiliary_weight: Of the divergence of each auxiliary head, where there are any.
    """

    teacher: Tapped
    align_corners: bool
    mask_weight: float
    stage_weight: float
    temperature: float
    stages_alone: float = 0.0
    auxiliary_weight: float = 0.0

    def teach(self, images: Tensor) -> Given:
        """Return what the teacher gives."""
        return Given(*self.teacher(images))

    def loss(
        self,
        given: Given,
        taught: Given | None,
        labels: Tensor | None,  # noqa: ARG002 - learned without
        share: float,
    ) -> Tensor:
        """Return the weighted sum of both errors, and of those of auxiliary heads."""
        if taught is None:
            raise TypeError("a distillation has a teacher")
        # Times zero, not left out: processes wait for the gradient of every weight.
        weight = 0.0 if share < self.stages_alone else self.mask_weight
        loss = weight * self._divergence(given.logits, taught)
        for logits in given.auxiliary:
            loss = loss + self.auxiliary_weight * self._divergence(logits, taught)
        return loss + self.stage_weight * stage_error(given.stages, taught.stages)

    def _divergence(self, logits: Tensor, taught: Given) -> Tensor:
        return mask_divergence(
            logits, taught.logits, self.temperature, align_corners=self.align_corners
        )
