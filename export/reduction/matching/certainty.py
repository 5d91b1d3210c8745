"""How sure a network is of tokens already: what those that leave early are chosen by.

Source: Liu et al., Dynamic Token-Pass Transformers, 2024 (arXiv:2308.01944), section 3, which takes
the largest probability of an auxiliary head. The cosine needs no such head, and is our own.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from segpp.export.reduction.matching.saliency import unit

__all__ = ["confidence", "steadiness"]


def confidence(logits: Tensor) -> Tensor:
    """Return the probability of each token's best class, (B, N), for logits (B, N, K).

    Of one class, the probability that it is there, or that it is not, whichever is larger.
    """
    # Which tokens leave has no gradient.
    with torch.no_grad(), torch.autocast(logits.device.type, enabled=False):
        wide = logits.float()
        if wide.shape[2] == 1:
            wide = F.pad(wide, (0, 1))
        return wide.softmax(2).amax(2)


def steadiness(twice: Tensor) -> Tensor:
    """Return the cosine of each token with what it was before, (B, N), -1 to 1.

    Args:
        twice: Of each token the channels in front of a block and those behind it, (B, N, 2 C).
    """
    with torch.no_grad(), torch.autocast(twice.device.type, enabled=False):
        before, behind = twice.chunk(2, 2)
        return (unit(before) * unit(behind)).sum(2)
