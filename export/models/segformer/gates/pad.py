"""Layers that were cut, in their old shapes again: zeros in the place of what was left out.

A channel whose weights are zero on both sides gives nothing and has no gradient on either: in a
training it stays what it is, without a mask.
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from segpp.export.models.segformer.model import Attention, Block, MixFfn, SegFormer, Stage
from segpp.export.reduction.gates.places import Place

__all__ = ["pad_place"]


def pad_place(model: SegFormer, place: Place, kept: Mapping[str, Tensor], width: int) -> None:
    """Give the blocks of a stage as many channels again as they had before a cut.

    Args:
        model: Changed in place.
        place: Where channels were cut.
        kept: The indices of those that stay, as ``cut_place`` returns them.
        width: How many there were.
    """
    blocks = cast("Stage", model.stages[place.stage - 1]).blocks
    for index, one in enumerate(blocks, start=1):
        block = cast("Block", one)
        if place.part == "hidden":
            _pad_ffn(block.ffn, kept[f"{index}.hidden"], width)
        else:
            _pad_attention(block.attention, kept[f"{index}.qk"], kept[f"{index}.v"], width)


def _pad_ffn(ffn: MixFfn, kept: Tensor, width: int) -> None:
    ffn.fc1 = _padded(ffn.fc1, kept, width, axis=0)
    ffn.fc2 = _padded(ffn.fc2, kept, width, axis=1)
    old = ffn.dwconv
    new = nn.Conv2d(width, width, 3, padding=1, groups=width, device="meta")
    new.weight = _spread(old.weight, kept, width, axis=0)
    new.bias = _spread(cast("Tensor", old.bias), kept, width, axis=0)
    ffn.dwconv = new


def _pad_attention(attention: Attention, qk: Tensor, v: Tensor, width: int) -> None:
    attention.q = _padded(attention.q, qk, width, axis=0)
    attention.k = _padded(attention.k, qk, width, axis=0)
    attention.v = _padded(attention.v, v, width, axis=0)
    attention.out = _padded(attention.out, v, width, axis=1)


def _padded(layer: nn.Linear, kept: Tensor, width: int, *, axis: int) -> nn.Linear:
    """Return a layer with ``width`` outputs (axis 0) or inputs (axis 1)."""
    weight, bias = _spread(layer.weight, kept, width, axis=axis), layer.bias
    if axis == 0:
        bias = _spread(bias, kept, width, axis=0)
    made = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    made.weight, made.bias = weight, bias
    return made


def _spread(values: Tensor, kept: Tensor, width: int, *, axis: int) -> nn.Parameter:
    shape = list(values.shape)
    shape[axis] = width
    spread = torch.zeros(shape, dtype=values.dtype).index_copy_(axis, kept, values.detach())
    return nn.Parameter(spread, requires_grad=False)
