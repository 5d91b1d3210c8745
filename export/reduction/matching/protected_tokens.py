"""Tokens of which the ordinary match keeps those apart that stand out.

A match compares cosines; here a source s has, in place of its cosine with a destination d,

    (cos(s, d) - protect * saliency(s)) / c

which two further channels give, c being the same for all pairs:

    s' = (s / |s|, -b, sqrt(4 * protect^2 - b^2))    with b = protect * saliency(s)
    d' = (d / |d|,  1, 0)

All s' are of one length and all d' of another, so that a source's best destination is what it was,
and which sources merge is decided by the difference. (A token without length is an exception, which
norms do not give.) Own method; what it is for is that of PiToMe, 2024 (arXiv:2405.16148).
"""

import numpy as np
import torch
from torch import Tensor

from segpp.ops.partition import BipartitePartition

__all__ = ["protected_tokens"]


def protected_tokens(
    units: Tensor, saliency: Tensor, protect: float, partition: BipartitePartition
) -> Tensor:
    """Return what to match, (B, N, C + 2).

    Args:
        units: Tokens of length one (B, N, C).
        saliency: Of each (B, N), 0 to 2.
        protect: How much it weighs against a cosine.
        partition: Which of them are destinations.
    """
    of_all = np.arange(partition.grid.tokens)
    is_destination = torch.from_numpy(np.isin(of_all, partition.destinations)).to(units.device)
    bias = protect * saliency
    rest = (4 * protect**2 - bias * bias).clamp(min=0).sqrt()
    added = torch.stack(
        (torch.where(is_destination, 1.0, -bias), torch.where(is_destination, 0.0, rest)), 2
    )
    return torch.cat((units, added), 2)
