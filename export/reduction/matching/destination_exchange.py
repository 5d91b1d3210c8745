"""Another token of a cell as its destination than the first: the two change places.

The operator knows corners only. So tokens are matched in an order in which the chosen token of each
complete cell stands in its corner, and slots are brought back to the order of the grid. Both ways
the exchange is the same: it undoes itself.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segpp.export.custom_ops import torch_ops
from segpp.export.custom_ops.cell_choice import choose
from segpp.ops.partition import BipartitePartition, Indices

__all__ = ["DestinationExchange", "center_exchange", "chosen_exchange"]


@dataclass(frozen=True)
class DestinationExchange:
    """Which token stands where each token stood.

    Attributes:
        order: Of all images (N), or of each (B, N) INT32.
    """

    order: Tensor

    def of_tokens(self, x: Tensor) -> Tensor:
        """Return the tokens x (B, N, C) in the other order."""
        # Rows by their number are what unmerging is, and it has a plugin.
        if self.order.ndim == 1:
            return x.index_select(1, self.order)
        return torch_ops.unmerge(x, self.order)

    def of_numbers(self, x: Tensor) -> Tensor:
        """Return a number for each token, x (B, N), in the other order."""
        if self.order.ndim == 1:
            return x.index_select(1, self.order)
        return x.gather(1, self.order.long())


def center_exchange(partition: BipartitePartition, device: torch.device) -> DestinationExchange:
    """Return the exchange with the token in the middle, the upper left of several."""
    corners = partition.destinations
    row, column = (partition.stride_y - 1) // 2, (partition.stride_x - 1) // 2
    middles = corners + row * partition.grid.width + column
    order = np.arange(partition.grid.tokens)
    order[corners], order[middles] = middles, corners
    return DestinationExchange(torch.from_numpy(order).to(device))


def chosen_exchange(scores: Tensor, partition: BipartitePartition) -> DestinationExchange:
    """Return the exchange with the token of the highest score in its cell, the first of equals.

    Args:
        scores: Of every token (B, N).
        partition: The cells.
    """
    device, columns = scores.device, partition.stride_x
    members, cell, corner, is_corner = (torch.from_numpy(a).to(device) for a in _cells(partition))
    # 1. The chosen token of every cell, (B, D), and of the cell of every token, (B, N); what is in
    #    no complete cell has a token of a cell that it is not in.
    scores_in = scores.index_select(1, members.flatten()).reshape(len(scores), *members.shape)
    place = choose(scores_in, partition)
    row = place // columns
    step = row * partition.grid.width + place - row * columns
    chosen = (members[:, 0] + step).index_select(1, cell)
    # 2. What stands where each token stood: (B, N)
    token = torch.arange(partition.grid.tokens, device=device)
    order = torch.where(is_corner, chosen, torch.where(token == chosen, corner, token))
    return DestinationExchange(order.int())


def _cells(partition: BipartitePartition) -> tuple[Indices, Indices, Indices, NDArray[np.bool_]]:
    """Return the tokens of every cell (D, a); its cell, its corner, if it is one, for each (N)."""
    area = partition.stride_y * partition.stride_x
    rows, columns = np.divmod(np.arange(area), partition.stride_x)
    members = partition.destinations[:, None] + rows * partition.grid.width + columns
    cell = np.zeros(partition.grid.tokens, np.int64)
    cell[members] = np.arange(len(members))[:, None]
    corner = np.arange(partition.grid.tokens)
    corner[members] = members[:, :1]
    is_corner = np.isin(np.arange(partition.grid.tokens), partition.destinations)
    return members, cell, corner, is_corner
