"""The policy of a plain ViT as a network of its own, to be trained alone."""

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from segpp.export.models.layers import MergingAttention
from segpp.export.models.network import Network
from segpp.export.models.vit.network import ViT
from segpp.export.reduction.matching.policy_layers import CELL
from segpp.export.reduction.matching.policy_network import PolicyNetwork

__all__ = ["PolicyLearner"]


class PolicyLearner(Network):
    """Images (B, C, H, W) to logits of all complete superpatches, (B, 2, h, w): several, or one.

    Its weights have the names that they have in the whole network.

    Args:
        network: A plain ViT with a policy, of which this becomes a part.
    """

    def __init__(self, network: Network) -> None:
        super().__init__(network.architecture)
        whole = cast("ViT", network)
        self.sites = ()
        self.policy = cast("PolicyNetwork", whole.policy)
        self.stages = nn.ModuleList()
        # Not as a module: of the embedding nothing is learned.
        self._padded = whole.patch_embed.padded

    def attentions(self, stage: int) -> Sequence[MergingAttention]:
        """Return nothing: there are only convolutions."""
        del stage
        return ()

    def forward(self, image: Tensor) -> Tensor:
        """Return the logits of images, which zeros fill up to whole patches."""
        padded = self._padded(image)
        height, width = (side // CELL for side in padded.shape[2:])
        logits: Tensor = self.policy(padded)
        return logits[:, :, :height, :width]
