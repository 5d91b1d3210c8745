"""Every second token of a line into its most similar of the others, by the ordinary match.

Destinations are the first token, the third and so on; a match wants a source behind each. Behind an
odd number of tokens one is put that merges before all others, and is taken away again. Further
channels see to that:

    s' = (s / |s|, 0)    of a source
    d' = (d / |d|, 2)    of a destination
    p' = (0, 1)          of what is put behind them

so that the cosine of s' and d' is cos(s, d) / sqrt(5), and that of p' and d' is 2 / sqrt(5).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from segpp.export.custom_ops import torch_ops
from segpp.export.reduction.matching.saliency import unit
from segpp.ops.grid import Grid

__all__ = ["best_cosines", "line_match"]

# One would do; products of GPUs are made for multiples of eight.
_CODE_CHANNELS = 8


def line_match(x: Tensor, merged: int) -> Tensor:
    """Return the slot of every token of x (B, N, C), (B, N) INT32.

    Args:
        x: Tokens.
        merged: How many merge, up to every second one.
    """
    count = x.shape[1]
    missing = count % 2
    slot = torch_ops.match(
        _with_last(x) if missing else x,
        Grid(1, count + missing),
        stride_y=1,
        stride_x=2,
        merged=merged + missing,
    )
    return slot[:, :count] if missing else slot


def best_cosines(x: Tensor) -> Tensor:
    """Return the largest cosine (B, S) of every second token of x (B, N, C), the second first."""
    units = unit(x)
    return (units[:, 1::2] @ units[:, ::2].transpose(1, 2)).amax(2)


def _with_last(x: Tensor) -> Tensor:
    """Return tokens (B, N + 1, C + 8), of which the last merges first."""
    units = F.pad(unit(x), (0, 0, 0, 1))
    place = torch.arange(units.shape[1], device=x.device)
    code = torch.where(place == x.shape[1], 1.0, torch.where(place % 2 == 0, 2.0, 0.0))
    # The others are zeros: (1, N + 1, 8)
    codes = F.pad(code[:, None], (0, _CODE_CHANNELS - 1))[None]
    return torch.cat((units, codes.expand(units.shape[0], -1, -1)), 2)
