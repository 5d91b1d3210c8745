"""Attention that begins as attention often ends: every token with what is like it.

Source: Trockman & Kolter, Mimetic Initialization of Self-Attention Layers, 2023 (arXiv:2305.09828),
section 4: the product of queries and keys is near a multiple of the identity, that of values and
projection near a negative one.
"""

import torch
from torch import Tensor

__all__ = ["mimetic"]

# Noise and identity in both products.
_ALIKE, _APART = (0.7, 0.7), (0.4, -0.4)


def mimetic(dim: int, heads: int) -> tuple[Tensor, Tensor]:
    """Return weights of queries, keys and values (3 dim, dim), and of the projection (dim, dim)."""
    queries, keys = zip(*(_factors(dim, dim // heads, *_ALIKE) for _ in range(heads)), strict=True)
    values, projection = _factors(dim, dim, *_APART)
    return torch.cat((*queries, *keys, values)), projection.T.contiguous()


def _factors(dim: int, rank: int, noise: float, identity: float) -> tuple[Tensor, Tensor]:
    """Return two matrices (rank, dim): the first's transpose times the second is near enough."""
    wanted = noise * torch.randn(dim, dim) / dim**0.5 + identity * torch.eye(dim)
    left, sizes, right = torch.linalg.svd(wanted)
    roots = sizes[:rank].sqrt()[:, None]
    return roots * left.T[:rank], roots * right[:rank]
