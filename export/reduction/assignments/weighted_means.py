"""Means in which a token counts for all the patches that it stands for.

Source: Bolya et al., Token Merging, 2023 (arXiv:2210.09461), section 3, and the global step of
ALGM (Norouzi et al., 2024, arXiv:2406.09936).
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from segpp.export.reduction.base import TokenAssignment

__all__ = ["CountedAssignment", "mean_of", "weighted_merge", "weights_behind"]


@runtime_checkable
class CountedAssignment(TokenAssignment, Protocol):
    """An assignment that knows how many tokens become one."""

    def averaged(self, x: Tensor) -> Tensor:
        """Return the mean of every slot, x (B, N, C) to (B, M, C)."""
        ...

    def members(self) -> Tensor:
        """Return how many tokens each slot has, (B, M, 1), or (1, M, 1) of all images."""
        ...


def mean_of(assignment: TokenAssignment, x: Tensor) -> Tensor:
    """Return the mean of every slot over all its members, x (B, N, C) to (B, M, C)."""
    if isinstance(assignment, CountedAssignment):
        return assignment.averaged(x)
    return assignment.merge(x)


def weighted_merge(assignment: TokenAssignment, x: Tensor, weights: Tensor | None) -> Tensor:
    """Return tokens (B, N, C) merged to (B, M, C), each slot the weighted mean of its members.

    Args:
        assignment: Which tokens become which.
        x: Tokens.
        weights: How many patches each stands for, (B, N, 1) or (1, N, 1); None where it is one.
    """
    if weights is None:
        return mean_of(assignment, x)
    weights = weights.to(x.dtype).expand(x.shape[0], -1, -1)
    # Both means have the same number below their line.
    merged = mean_of(assignment, torch.cat((x * weights, weights), 2))
    return merged[:, :, :-1] / merged[:, :, -1:]


def weights_behind(assignment: CountedAssignment, weights: Tensor | None, batch: int) -> Tensor:
    """Return how many patches each slot stands for, (B, M, 1), or (1, M, 1) of all images.

    Args:
        assignment: Which tokens become which.
        weights: How many patches each of these stands for, likewise; None where it is one.
        batch: B; slots of as many members each may still be of other tokens in every image.
    """
    members = assignment.members().float()
    if weights is None:
        return members
    return assignment.averaged(weights.expand(batch, -1, -1)) * members
