"""The largest value, by magnitude, of every slot and channel.

ONNX has no such reduction that all engines take: scatters with one are refused or ignored. Here
tokens are sorted by slot, and what is largest spreads along the members of a slot in steps of one,
two, four and so on tokens, until the last member has the slot's largest.

Source of the idea: CubistMerge, 2025 (arXiv:2509.21764).
"""

import torch
from torch import Tensor

from segpp.export.custom_ops import torch_ops

__all__ = ["largest_so_far", "largest_values"]


def largest_values(x: Tensor, slot: Tensor, slots: int, most: int) -> Tensor:
    """Return, of the rows of x (B, N, C) in each slot, every channel's largest: (B, slots, C).

    Of equal magnitudes the first in raster order counts.

    Args:
        x: Tokens.
        slot: Slot of each token (B, N), every one used.
        slots: How many there are.
        most: How many members a slot has at most.
    """
    tokens = torch.arange(slot.shape[1], device=slot.device)
    # 1. Where each token comes, sorted by slot, and which token comes there: (B, N)
    before = slot[:, None, :] < slot[:, :, None]
    before = before | ((slot[:, None, :] == slot[:, :, None]) & (tokens < tokens[:, None]))
    place = before.int().sum(2)
    order = torch.zeros_like(place).scatter(1, place, tokens.expand(place.shape))
    slot_of = slot.gather(1, order)
    y = largest_so_far(torch_ops.unmerge(x, order.int()), slot_of, most)
    # 2. The last member of each slot: (B, M)
    numbers = torch.arange(slots, device=slot.device)
    last = (slot[:, None, :] <= numbers[:, None]).int().sum(2) - 1
    return torch_ops.unmerge(y, last.int())


def largest_so_far(y: Tensor, slot: Tensor, most: int) -> Tensor:
    """Return of each row, in every channel, the largest of its slot's rows up to it: (B, N, C).

    Args:
        y: Rows (B, N, C), those of a slot next to each other.
        slot: Of each (B, N).
        most: How many rows a slot has at most.
    """
    # The steps double, so that each row has seen twice as many after each.
    step = 1
    while step < most:
        earlier, own = y[:, :-step], y[:, step:]
        same = (slot[:, :-step] == slot[:, step:])[:, :, None]
        y = torch.cat(
            (y[:, :step], torch.where(same & (earlier.abs() >= own.abs()), earlier, own)), 1
        )
        step *= 2
    return y
