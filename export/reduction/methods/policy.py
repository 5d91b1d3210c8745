"""policy: superpatches that a trained network takes for one class share a token.

Source: Lu et al., Content-aware Token Sharing, 2023 (arXiv:2306.02095), section 3.2. The network is
EfficientNet-Lite0 up to its last map, which has a cell for each 32x32 pixels, and a layer for two
classes: one class in the superpatch, or several. It lies in the checkpoint, was trained before the
segmentation network, and this with its choice. Those score highest whose probability of one class
is: the order is that of the difference of the two logits, which no softmax rounds to one.
"""

from dataclasses import dataclass
from typing import ClassVar

from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.matching.policy_layers import CELL, policy_macs
from segpp.export.reduction.sharing import SUPERPATCH, SharingReduction
from segpp.ops.grid import Grid, Size

__all__ = ["PUBLISHED", "TrainedPolicy"]

# Where nothing tells what a network was trained for: a published one shares 103 of 256 on ADE20K.
PUBLISHED = 0.4


@REDUCTIONS.register("policy")
@dataclass(frozen=True)
class TrainedPolicy(SharingReduction):
    """The superpatches that the policy of the checkpoint is surest of.

    Attributes:
        ratio: Share of all superpatches, in (0, 1); 0 is the share that the checkpoint was trained
            with.
    """

    name: ClassVar[str] = "policy"
    is_trained: ClassVar[bool] = True

    ratio: float = 0.0

    def __post_init__(self) -> None:
        if self.ratio or self.count < 0:
            super().__post_init__()

    def decision_macs(self, grid: Grid, channels: int) -> int:
        """Count the policy network, whatever the channels of a token."""
        del channels
        side = CELL // SUPERPATCH
        return policy_macs(Size(grid.height * side, grid.width * side))

    @property
    def _share(self) -> float:
        return self.ratio or PUBLISHED
