"""The gate of a layer whose channels every image chooses: from its tokens to indices, or a mask.

Source: Bai, Mao & Nair, 2021 (arXiv:2111.09499), the Dynamic Gated Linear layer: the mean token,
normalised, through the layer's own weights, and a predictor of two layers on top. What is ours:
without a trained predictor the gate is the size of that response, weighted; and in training the
mask is one or zero, with the gradient of a sigmoid of the gate.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segpp.export.models.layers import LayerNorm

__all__ = ["Gate", "chosen_rows", "predictor_width"]

_EPS = 1e-6
# Of a predictor's hidden layer, as a share of the channels.
_NARROWER = 4


class Gate(nn.Module):
    """A number per channel, and which have the largest.

    Args:
        dims: Channels of the tokens that each of the gated layers takes.
        count: Channels that are chosen from.
        groups: In so many groups of one size; of each the same number is chosen.
        kept: How many are chosen in all.
        weights: What a response is weighted with without a predictor, (count,).

    Attributes:
        keep: How many are chosen now; in training fewer channels may be left out at first.
        logits: What the last images in training gave, (B, count), for a penalty.
    """

    def __init__(
        self, dims: Sequence[int], count: int, groups: int, kept: int, weights: Tensor | None = None
    ) -> None:
        super().__init__()
        self.norms = nn.ModuleList(LayerNorm(dim, eps=_EPS) for dim in dims)
        self.predictor: nn.Sequential | None = None
        self.count, self.groups, self.keep = count, groups, kept
        shares = torch.ones(count) if weights is None else weights
        self.shares: Tensor
        self.register_buffer("shares", shares, persistent=False)
        self.logits: Tensor | None = None

    def add_predictor(self, width: int | None = None) -> None:
        """Put a predictor on top, with fresh weights.

        Args:
            width: Of its hidden layer; a quarter of the channels if None.
        """
        width = width or predictor_width(self.count)
        inputs = self.count * len(self.norms)
        self.predictor = nn.Sequential(
            nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, self.count)
        )
        # A module is born in training.
        self.predictor.train(self.training)

    def forward(self, tokens: Sequence[Tensor], layers: Sequence[nn.Linear]) -> Tensor:
        """Return a number per channel (B, count) for the tokens (B, N, C) of each layer."""
        if self.training and torch.is_autocast_enabled(tokens[0].device.type):
            # In half precision numbers collapse to few values, and training would choose others.
            with torch.autocast(tokens[0].device.type, enabled=False):
                return self._logits(tokens, layers)
        return self._logits(tokens, layers)

    def _logits(self, tokens: Sequence[Tensor], layers: Sequence[nn.Linear]) -> Tensor:
        # Of thousands of tokens: a sum in halves would overflow.
        means = [x.mean(1, dtype=torch.promote_types(x.dtype, torch.float32)) for x in tokens]
        responses = [
            layer(norm(mean.to(layer.weight.dtype)))
            for mean, norm, layer in zip(means, self.norms, layers, strict=True)
        ]
        if self.predictor is None:
            size = self.shares
            for response in responses:
                size = size * response.abs()
            return size
        logits: Tensor = self.predictor(torch.cat(responses, 1))
        if self.training:
            self.logits = logits
        return logits

    def indices(self, logits: Tensor) -> Tensor:
        """Return which channels are chosen, (B, kept), group by group."""
        width = self.count // self.groups
        by_group = logits.reshape(-1, self.groups, width)
        within = by_group.topk(self.keep // self.groups, 2).indices
        first = torch.arange(self.groups, device=logits.device) * width
        chosen: Tensor = within + first[:, None]
        return chosen.flatten(1)

    def mask(self, logits: Tensor) -> Tensor:
        """Return ones for the chosen and zeros, (B, 1, count), with the gradient of a sigmoid."""
        hard = torch.zeros_like(logits).scatter(1, self.indices(logits), 1.0)
        soft = logits.sigmoid()
        # The difference first: what is added to zeros and ones is a zero to the last bit.
        return (hard + (soft - soft.detach()))[:, None]


def predictor_width(count: int) -> int:
    """Return how wide the hidden layer of a predictor is made for so many channels."""
    return max(1, count // _NARROWER)


def chosen_rows(weight: Tensor, chosen: Tensor) -> Tensor:
    """Return rows of a weight (count, …) for every image of indices (B, K), (B, K, …)."""
    # Not by brackets, which becomes a GatherND: engines are slower at it.
    rows = weight.index_select(0, chosen.flatten())
    return rows.reshape(*chosen.shape, *weight.shape[1:])
