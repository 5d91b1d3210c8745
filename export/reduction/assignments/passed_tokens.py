"""What pass decides: tokens that leave a sequence as they are, and come back as they were."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from segpp.export.custom_ops import torch_ops
from segpp.export.reduction.assignments.window_means import WindowMeans

__all__ = ["PassedTokens"]


@dataclass(frozen=True)
class PassedTokens:
    """Tokens that stay, in raster order; those that left are kept beside them.

    Attributes:
        windows: Of one token each: those that would merge leave, the surest first.
        left: What left, (B, E, C).
        tells_class: Whether the class token takes up the mean of what left.
    """

    windows: WindowMeans
    left: Tensor
    tells_class: bool

    @classmethod
    def of(cls, windows: WindowMeans, x: Tensor, *, tells_class: bool) -> "PassedTokens":
        """Return what leaves of tokens x (B, N, C)."""
        return cls(windows, torch_ops.unmerge(x, windows.order), tells_class)

    def leaving(self, x: Tensor) -> "PassedTokens":
        """Return the same decision for other tokens in the places of these, (B, N, C)."""
        return replace(self, left=torch_ops.unmerge(x, self.windows.order))

    def merge(self, x: Tensor) -> Tensor:
        """Return those of tokens (B, N, C) that stay, (B, M, C)."""
        return torch_ops.unmerge(x, self.windows.rest)

    def unmerge(self, y: Tensor) -> Tensor:
        """Return what became of those that stayed, y (B, M, C), and what left, as (B, N, C)."""
        return torch_ops.unmerge(torch.cat((self.left, y), 1), self.windows.slot)

    def averaged(self, x: Tensor) -> Tensor:
        """Return what merging does: nothing becomes a mean."""
        return self.merge(x)

    def members(self) -> Tensor:
        """Return how many tokens each slot has, (1, M, 1): one."""
        return self.windows.slot.new_ones((1, self.windows.rest.shape[1], 1))
