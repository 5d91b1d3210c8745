"""What bsm decides: a slot for every token."""

from dataclasses import dataclass

import torch
from torch import Tensor

from segpp.export.custom_ops import torch_ops
from segpp.export.reduction.assignments.largest_values import largest_values

__all__ = ["BipartiteAssignment"]


@dataclass(frozen=True)
class BipartiteAssignment:
    """Tokens that share a slot become one.

    Attributes:
        slot: The slot of every token, (B, N) INT32.
        num_slots: M, how many tokens are left.
        num_singletons: How many of the first slots hold one token: sources that stay.
        is_largest: Whether the largest value of a slot's members counts, not their mean.
    """

    slot: Tensor
    num_slots: int
    num_singletons: int
    is_largest: bool = False

    def merge(self, x: Tensor) -> Tensor:
        """Return the mean of every slot, or its largest values, x (B, N, C) to (B, M, C)."""
        if self.is_largest:
            # All that merged may be in one slot.
            most = x.shape[1] - self.num_slots + 1
            return largest_values(x, self.slot, self.num_slots, most)
        return self.averaged(x)

    def averaged(self, x: Tensor) -> Tensor:
        """Return the mean of every slot, x (B, N, C) to (B, M, C), whatever merging makes of it."""
        return torch_ops.merge(x, self.slot, self.num_slots, self.num_singletons)

    def members(self) -> Tensor:
        """Return how many tokens each slot has, (B, M, 1)."""
        numbers = torch.arange(self.num_slots, dtype=self.slot.dtype, device=self.slot.device)
        return (self.slot[:, None, :] == numbers[:, None]).int().sum(2, keepdim=True)

    def unmerge(self, y: Tensor) -> Tensor:
        """Give every token the row of its slot, y (B, M, C) to (B, N, C)."""
        return torch_ops.unmerge(y, self.slot)
