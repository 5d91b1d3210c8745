"""Neighbours that merge for all that follows, token by token: oracles in plain torch.

Networks are timm's and transformers', run block by block and one image at a time; what merges is
found in loops over the rows of the tokens, then over the columns of what is left. No code of the
package.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tests.export.models.vit.references import Reference

__all__ = ["MergingEomt", "Tokens", "merging_segmenter"]


@dataclass
class Tokens:
    """Patches of one image that merge.

    Attributes:
        height: Rows.
        width: Columns.
        turns: Cosines and sines (N, 2c) of the tokens, where positions are rotary.
        patches: Of every token, which patches it is.
    """

    height: int
    width: int
    turns: Tensor | None = None
    patches: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.patches = [[patch] for patch in range(self.height * self.width)]

    def merge(self, x: Tensor, share: float) -> Tensor:
        """Merge tokens (N, C) to a grid with this share of rows and columns, (M, C)."""
        slots, narrow = list[list[list[int]]](), list[list[Tensor]]()
        width, height = (int(side * share + 0.5) for side in (self.width, self.height))
        for row in range(self.height):
            numbers = range(row * self.width, (row + 1) * self.width)
            slots.append([[numbers[i] for i in own] for own in _neighbors(x[numbers], width)])
            narrow.append([x[own].mean(0) for own in slots[-1]])
        members: list[list[list[int]]] = [[[] for _ in range(width)] for _ in range(height)]
        for column in range(width):
            line = torch.stack([row[column] for row in narrow])
            for to, rows in enumerate(_neighbors(line, height)):
                members[to][column] = [token for row in rows for token in slots[row][column]]
        return self._become(x, [own for row in members for own in row], height, width)

    def _become(self, x: Tensor, members: list[list[int]], height: int, width: int) -> Tensor:
        stands = torch.tensor([float(len(own)) for own in self.patches])
        merged = [(stands[own, None] * x[own]).sum(0) / stands[own].sum() for own in members]
        if self.turns is not None:
            self.turns = torch.stack([self.turns[own].mean(0) for own in members])
        self.patches = [[patch for t in own for patch in self.patches[t]] for own in members]
        self.height, self.width = height, width
        return torch.stack(merged)

    def restored(self, y: Tensor) -> Tensor:
        """Give every patch the row of its token, (M, C) to (N, C)."""
        token = {patch: t for t, own in enumerate(self.patches) for patch in own}
        return y[[token[patch] for patch in range(len(token))]]


def _neighbors(line: Tensor, slots: int) -> list[list[int]]:
    """Return the members of each slot of a line (n, C): every second one may join a neighbour."""
    best = {}
    for token in range(1, len(line), 2):
        beside = [other for other in (token - 1, token + 1) if other < len(line)]
        alike = [float(F.cosine_similarity(line[token], line[other], dim=0)) for other in beside]
        best[token] = max(alike), beside[alike.index(max(alike))]
    joins = sorted(best, key=lambda token: -best[token][0])[: len(line) - slots]
    own: dict[int, list[int]] = {t: [t] for t in range(len(line)) if t not in joins}
    for token in joins:
        own[best[token][1]].append(token)
    return [sorted(members) for _, members in sorted(own.items())]


def merging_segmenter(network: Reference, images: Tensor, shares: Mapping[int, float]) -> Tensor:
    """Return logits (B, K, h, w) of a network with a class token and a head of single tokens.

    Args:
        network: Segmenter.
        images: (B, 3, H, W).
        shares: By which merge works in a block, counted from 1.
    """
    return torch.cat([_segmenter(network, image[None], shares) for image in images])


def _segmenter(network: Reference, image: Tensor, shares: Mapping[int, float]) -> Tensor:
    encoder = network.encoder
    x = encoder.patch_embed.proj(image)
    grid = x.shape[2:]
    x = torch.cat([encoder.cls_token, x.flatten(2).transpose(1, 2)], 1)
    x, tokens = x + network._positions(1, grid), Tokens(*grid)
    for number, block in enumerate(encoder.blocks, start=1):
        x = x + block.attn(block.norm1(x))
        x = _behind(x, 1, tokens, shares.get(number))
        x = x + block.mlp(block.norm2(x))
    logits = network.decoder(encoder.norm(x)[:, 1:], torch.Size((1, x.shape[1] - 1)))
    return tokens.restored(logits[0, :, 0].T).T.reshape(1, -1, *grid)


def _behind(x: Tensor, before: int, tokens: Tokens, share: float | None) -> Tensor:
    if share is None:
        return x
    return torch.cat([x[0, :before], tokens.merge(x[0, before:], share)])[None]


@dataclass
class MergingEomt:
    """An EoMT over DINOv3 with merges: images to queries' masks and classes, as transformers has.

    Attributes:
        network: Of transformers.
        shares: By which merge works in a block, counted from 1.
    """

    network: Any
    shares: Mapping[int, float]

    def __call__(self, images: Tensor) -> SimpleNamespace:
        every = [self._one(image[None]) for image in images]
        masks, classes = (torch.cat(one) for one in zip(*every, strict=True))
        return SimpleNamespace(
            masks_queries_logits=masks, class_queries_logits=classes, patch_offsets=None
        )

    def _one(self, image: Tensor) -> Sequence[Tensor]:
        network, x = self.network, self.network.embeddings(image)
        before = network.num_prefix_tokens
        tokens = Tokens(*network.grid_size, torch.cat(network.rope_embeddings(image), 1))
        joins = network.num_hidden_layers - network.config.num_blocks
        for number, layer in enumerate(network.layers, start=1):
            if number == joins + 1:
                x = torch.cat([network.query.weight[None], x], 1)
                before += network.config.num_queries
            turns = tokens.turns.chunk(2, 1)
            x = x + layer.layer_scale1(layer.attention(layer.norm1(x), None, turns)[0])
            x = _behind(x, before, tokens, self.shares.get(number))
            x = x + layer.layer_scale2(layer.mlp(layer.norm2(x)))
        x = torch.cat([x[0, :before], tokens.restored(x[0, before:])])[None]
        return network.predict(network.layernorm(x))
