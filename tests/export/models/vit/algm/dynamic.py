"""ALGM as released, in which thresholds decide how many tokens merge: an oracle in plain torch.

Written from the paper (Norouzi et al., 2024, arXiv:2406.09936, section 3) and the facts of its
release: windows of the first block above a threshold become their mean, in the order of their
similarity; the patches of the fifth block of which a cosine is above the mean of all and a fifth of
their deviation merge into every second one, weighted by what they stand for. One image at a time.
No code of the package.
"""

from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.export.models.vit.references import Reference

__all__ = ["Outcome", "dynamic_algm"]

_SIDE = 2


@dataclass
class Outcome:
    """Logits (1, K, h, w), how many windows merged, and how many tokens after them.

    How alike the tokens of each window are, (W,), stands beside them.
    """

    logits: Tensor
    windows: int
    tokens: int
    alike: Tensor


def dynamic_algm(network: Reference, image: Tensor, threshold: float, second: int = 5) -> Outcome:
    """Run a network with a class token, its blocks counted from 1."""
    encoder = network.encoder
    x = encoder.patch_embed.proj(image)
    grid = x.shape[2:]
    x = torch.cat([encoder.cls_token, x.flatten(2).transpose(1, 2)], 1)
    x = x + network._positions(1, grid)
    # Of every token, which patches it is.
    patches, counts, alike = [[p] for p in range(x.shape[1] - 1)], [0, 0], torch.empty(0)
    for number, block in enumerate(encoder.blocks, start=1):
        x = x + block.attn(block.norm1(x))
        if number == 1:
            x, patches, alike = _windows(x, patches, grid, threshold)
            counts[0] = int((alike >= threshold).sum())
        if number == second:
            x, patches, counts[1] = _matched(x, patches, second)
        x = x + block.mlp(block.norm2(x))
    logits = network.decoder(encoder.norm(x)[:, 1:], torch.Size((1, len(patches))))
    restored = torch.empty(*logits.shape[:2], grid[0] * grid[1])
    for token, members in enumerate(patches):
        restored[:, :, members] = logits[:, :, 0, token, None]
    return Outcome(restored.reshape(1, -1, *grid), counts[0], counts[1], alike)


def _windows(
    x: Tensor, patches: list[list[int]], grid: torch.Size, threshold: float
) -> tuple[Tensor, list[list[int]], Tensor]:
    tokens = x[0, 1:]
    members = [
        [(_SIDE * r + i) * grid[1] + _SIDE * c + j for i in range(_SIDE) for j in range(_SIDE)]
        for r in range(grid[0] // _SIDE)
        for c in range(grid[1] // _SIDE)
    ]
    alike = torch.stack([_mean_cosine(tokens[window]) for window in members])
    merged = [members[w] for w in alike.argsort(descending=True).tolist() if alike[w] >= threshold]
    gone = {p for window in merged for p in window}
    stay = [p for p in range(len(tokens)) if p not in gone]
    means = [tokens[window].mean(0) for window in merged]
    x = torch.stack([x[0, 0], *means, *tokens[stay]])[None]
    return x, [*merged, *(patches[p] for p in stay)], alike


def _mean_cosine(tokens: Tensor) -> Tensor:
    pairs = permutations(range(len(tokens)), 2)
    return torch.stack([F.cosine_similarity(tokens[i], tokens[j], dim=0) for i, j in pairs]).mean()


def _matched(
    x: Tensor, patches: list[list[int]], second: int
) -> tuple[Tensor, list[list[int]], int]:
    # The class token is the first of those that look, and never merges.
    looking, others = range(2, x.shape[1], 2), range(1, x.shape[1], 2)
    unit = F.normalize(x[0], dim=1)
    best, choice = (unit[list(looking)] @ unit[list(others)].T).max(1)
    above = best >= best.mean() + best.std() / second
    sums = {b: [(len(patches[b - 1]), x[0, b])] for b in others}
    members = {b: list(patches[b - 1]) for b in others}
    for a, merges, into in zip(looking, above.tolist(), choice.tolist(), strict=True):
        if merges:
            sums[others[into]].append((len(patches[a - 1]), x[0, a]))
            members[others[into]] += patches[a - 1]
    stay = [a for a, merges in zip(looking, above.tolist(), strict=True) if not merges]
    means = [
        torch.stack([n * t for n, t in s]).sum(0) / sum(n for n, _ in s) for s in sums.values()
    ]
    x = torch.stack([x[0, 0], *x[0, stay], *means])[None]
    return x, [*(patches[a - 1] for a in stay), *members.values()], int(above.sum())
