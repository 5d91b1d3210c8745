"""Which superpatches hold one class only, from labels, and learning to tell that from pixels.

Source: Lu et al., Content-aware Token Sharing, 2023 (arXiv:2306.02095), section 3.2.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from segpp.export.models.vit.policy import POLICY_PATCH
from segpp.export.reduction.matching.policy_layers import CELL
from segpp.train.learning.objectives import Given
from segpp.train.learning.objectives.losses import NO_LABEL, label_error

__all__ = ["ONE_CLASS", "SEVERAL", "FromSuperpatches", "superpatch_targets"]

# As the policy's logits stand.
SEVERAL, ONE_CLASS = 0, 1


def superpatch_targets(labels: Tensor) -> Tensor:
    """Return what each complete superpatch is, (B, h, w).

    ``SEVERAL`` classes, or ``ONE_CLASS`` in every pixel, or none that counts, since there nothing
    is lost. Where one class lies beside pixels that do not count it is not known: ``NO_LABEL``.

    Args:
        labels: Class of each pixel (B, H, W); ``NO_LABEL`` of those that do not count.
    """
    missing = [-side % POLICY_PATCH for side in labels.shape[1:]]
    # The network fills up the last patches at the end.
    labels = F.pad(labels, (0, missing[1], 0, missing[0]), value=NO_LABEL)
    cells = labels.unfold(1, CELL, CELL).unfold(2, CELL, CELL).flatten(3)
    counts = cells != NO_LABEL
    highest = cells.amax(3)
    lowest = torch.where(counts, cells, torch.iinfo(cells.dtype).max).amin(3)
    several, nothing = highest > lowest, ~counts.any(3)
    targets = torch.full_like(highest, ONE_CLASS)
    targets[several] = SEVERAL
    targets[~several & ~nothing & ~counts.all(3)] = NO_LABEL
    return targets


class FromSuperpatches:
    """What a policy learns: the cross entropy of one class or several, in each superpatch."""

    def teach(self, images: Tensor) -> None:
        """Return nothing: labels are all that is learned from."""
        del images

    def loss(
        self,
        given: Given,
        taught: Given | None,  # noqa: ARG002 - there is no teacher
        labels: Tensor | None,
        share: float,  # noqa: ARG002 - the same from beginning to end
    ) -> Tensor:
        """Return the mean over images of that over their superpatches."""
        if labels is None:
            raise TypeError("labels are what is learned from")
        return label_error(given.logits, superpatch_targets(labels))
