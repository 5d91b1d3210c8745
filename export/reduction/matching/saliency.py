"""How much a token stands out, from the tokens alone: no pair of them is compared.

One minus its cosine with the mean of its cell. Chosen on CamVid among that, the mean of the 3x3
tokens around it, and the mean of all: the three are close, and this keeps most where much merges.
"""

from math import ceil

import torch
from torch import Tensor
from torch.nn import functional as F

from segpp.ops.partition import BipartitePartition

__all__ = ["saliency", "unit"]


def unit(x: Tensor) -> Tensor:
    """Return tokens (B, N, C) of length one in FP32; one without length stays as it is."""
    wide = x.float()
    length = wide.norm(dim=2, keepdim=True)
    return wide / torch.where(length > 0, length, 1.0)


def saliency(units: Tensor, partition: BipartitePartition) -> Tensor:
    """Return how much each token stands out from its cell, (B, N) from 0 to 2.

    Args:
        units: Tokens of length one (B, N, C).
        partition: The cells; one that an edge cuts has a mean of fewer tokens.
    """
    grid, cell = partition.grid, (partition.stride_y, partition.stride_x)
    cells = ceil(grid.height / cell[0]), ceil(grid.width / cell[1])
    # 1. A cell's mean, but for its length, of which a cosine knows nothing: (B, L, C)
    image = units.transpose(1, 2).reshape(*units.shape[::2], grid.height, grid.width)
    missing = (0, cells[1] * cell[1] - grid.width, 0, cells[0] * cell[0] - grid.height)
    means = unit(F.avg_pool2d(F.pad(image, missing), cell).flatten(2).transpose(1, 2))
    # 2. Of every token the one of its cell: (B, N, C)
    row, column = (torch.from_numpy(axis).to(units.device) for axis in partition.cell_of)
    return 1 - (units * means.index_select(1, row * cells[1] + column)).sum(2)
