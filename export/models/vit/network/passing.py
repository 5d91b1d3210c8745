"""Tokens that leave before a block, and what decides which.

Source: Liu et al., Dynamic Token-Pass Transformers for Semantic Segmentation (DoViT), 2024
(arXiv:2308.01944), section 3; SETR's auxiliary heads of Zheng et al., 2021 (arXiv:2012.15840).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from segpp.export.models.layers import LayerNorm
from segpp.export.models.vit.architecture import Numerics, shape_of
from segpp.export.models.vit.network.blocks import behind
from segpp.export.reduction.assignments.passed_tokens import PassedTokens
from segpp.export.reduction.base import TokenReduction
from segpp.manifest import Architecture
from segpp.ops.grid import Grid

__all__ = ["AuxiliaryHead", "Evidence", "pass_tokens"]

# Of fewer tokens than this share of all the class token takes up nothing.
_FEW = 0.1


class AuxiliaryHead(nn.Module):
    """Classes of tokens in the middle of the network, each token alone: no map is made larger.

    A linear layer, BatchNorm, ReLU and a classifier; before them a norm where the head is SETR's.
    """

    def __init__(self, architecture: Architecture, numerics: Numerics) -> None:
        super().__init__()
        dim, width = architecture.dims[-1], shape_of(architecture).exit_channels
        is_setr = architecture.head == "setr-naive"
        eps = numerics.head_norm_eps
        self.norm: nn.Module = LayerNorm(dim, eps=eps) if is_setr else nn.Identity()
        self.linear = nn.Linear(dim, width, bias=False)
        self.batch_norm: nn.Module = nn.BatchNorm1d(width, eps=numerics.batch_norm_eps)
        self.classifier = nn.Linear(width, architecture.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, N, K) of tokens (B, N, C)."""
        hidden = self.linear(self.norm(x))
        if not isinstance(self.batch_norm, nn.Identity):
            hidden = self.batch_norm(hidden.transpose(1, 2)).transpose(1, 2)
        logits: Tensor = self.classifier(hidden.relu())
        return logits


@dataclass(frozen=True)
class Evidence:
    """What a decision before a block goes by.

    Attributes:
        judged: Of each patch that arrives its logits (B, N, K), or its channels in front of the
            block before and behind it (B, N, 2 C).
        left: What left before other blocks, (B, E, C) each.
    """

    judged: Tensor
    left: tuple[Tensor, ...] = ()


def pass_tokens(
    method: TokenReduction, x: Tensor, grid: Grid, prefix: int, evidence: Evidence
) -> tuple[Tensor, PassedTokens]:
    """Return what stays of tokens (B, P + N, C) as (B, P + M, C), and what left.

    Args:
        method: Which decides.
        x: Tokens.
        grid: Of the N behind the prefix.
        prefix: How many stand before them, the class token first.
        evidence: What it goes by.
    """
    before, patches = x[:, :prefix], x[:, prefix:]
    decided = cast("PassedTokens", method.match(evidence.judged, grid)).leaving(patches)
    kept, left = decided.merge(patches), (*evidence.left, decided.left)
    gone = sum(tokens.shape[1] for tokens in left)
    if decided.tells_class and prefix and gone > _FEW * (prefix + kept.shape[1] + gone):
        before = _told(before, left)
    return behind(before, kept), decided


def _told(before: Tensor, left: Sequence[Tensor]) -> Tensor:
    """Return the prefix (B, P, C), its first token half the mean of all that left."""
    mean = (torch.cat(list(left), 1) if len(left) > 1 else left[0]).mean(1, keepdim=True)
    told = (before[:, :1] + mean) / 2
    return torch.cat((told, before[:, 1:]), 1) if before.shape[1] > 1 else told
