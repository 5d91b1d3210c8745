"""How alike the tokens of each window are: the mean cosine of their pairs.

Source: Norouzi et al., ALGM, 2024 (arXiv:2406.09936), section 3.2.
"""

import torch
from torch import Tensor

from segpp.export.custom_ops.window_choice import WindowSettings
from segpp.export.reduction.assignments.window_means import windows_of
from segpp.export.reduction.matching.full_precision import full_precision
from segpp.export.reduction.matching.saliency import unit

__all__ = ["window_similarity"]


def window_similarity(x: Tensor, settings: WindowSettings) -> Tensor:
    """Return the mean cosine, -1 to 1, of every window's pairs, (B, W), for tokens (B, N, C)."""
    members = settings.side**2
    # Which windows merge has no gradient.
    with torch.no_grad(), full_precision(x.device.type):
        total = windows_of(unit(x), settings).sum(2)
        return ((total * total).sum(2) - members) / (members * (members - 1))
