"""A network that tells the outputs of its stages and auxiliary heads besides its logits."""

from typing import Any, cast

from torch import Tensor, nn

from segpp.export.models.network import Network

__all__ = ["Tapped"]


class Tapped(nn.Module):
    """Runs a network and returns the logits (B, K, h, w) to learn of, and what is inside of it.

    That is (B, C, h, w) of each stage, or (B, N, C) of each block, as ``Network.stage_outputs``;
    and the logits of each auxiliary head, as ``Network.auxiliary_logits``.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self._seen: list[Any] = []
        self._listens = False
        for stage in cast("nn.ModuleList", network.stages):
            stage.register_forward_hook(self._keep)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Run the network on normalised images (B, C, H, W)."""
        self._seen, self._listens = [], True
        logits = self.network(image)
        self._listens = False
        seen, self._seen = self._seen, []
        stages = self.network.stage_outputs(seen)
        auxiliary = self.network.auxiliary_logits(stages, image)
        return self.network.learned_logits(logits), stages, auxiliary

    def _keep(self, _module: nn.Module, _inputs: object, output: Any) -> None:
        # Whoever runs the network alone must not fill the memory.
        if self._listens:
            self._seen.append(output)
