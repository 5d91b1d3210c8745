"""Channels that a checkpoint itself tells to be left out: those that are zero on both sides.

A student that was trained with fixed gates has zeros there (pad.py). Cutting them changes nothing,
whatever the images, so nothing has to be looked at to choose them.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from segpp.export.models.segformer.model import SegFormer
from segpp.export.reduction.gates.base import ChannelGate
from segpp.export.reduction.gates.methods.fixed import FixedGate
from segpp.export.reduction.gates.places import Channels, Place

__all__ = ["emptied", "kept_by_zeros"]


def emptied(
    model: SegFormer, gates: Mapping[Place, ChannelGate], channels: Mapping[Place, Channels]
) -> frozenset[Place]:
    """Return the places where a network's zeros tell all that fixed gates leave out."""
    return frozenset(
        place
        for place, gate in gates.items()
        if isinstance(gate, FixedGate)
        and kept_by_zeros(model, place, gate, channels[place]) is not None
    )


def kept_by_zeros(
    model: SegFormer, place: Place, gate: ChannelGate, channels: Channels
) -> dict[str, Tensor] | None:
    """Return the indices of the channels to keep in every block, ascending, named as a cut has.

    None where nothing leaves, or a block has too few zeros, and images must choose.
    """
    kept = gate.channels_out(channels)
    found = {name: _kept(zero, kept, channels.groups) for name, zero in _zeros(model, place)}
    told = {name: stays for name, stays in found.items() if stays is not None}
    return told if told.keys() == found.keys() else None


def _zeros(model: SegFormer, place: Place) -> Iterator[tuple[str, Tensor]]:
    """Yield which channels (D,) have nothing but zeros, by block and layers."""
    if place.part == "hidden":
        for index, ffn in enumerate(model.ffns(place.stage), start=1):
            yield f"{index}.hidden", _rows(ffn.fc1) & _rows(ffn.dwconv) & _columns(ffn.fc2)
        return
    for index, attention in enumerate(model.attentions(place.stage), start=1):
        yield f"{index}.qk", _rows(attention.q) & _rows(attention.k)
        yield f"{index}.v", _rows(attention.v) & _columns(attention.out)


def _rows(layer: nn.Linear | nn.Conv2d) -> Tensor:
    weight = (layer.weight == 0).flatten(1).all(1)
    return weight if layer.bias is None else weight & (layer.bias == 0)


def _columns(layer: nn.Linear) -> Tensor:
    return (layer.weight == 0).all(0)


def _kept(zero: Tensor, kept: int, groups: int) -> Tensor | None:
    leave = (len(zero) - kept) // groups
    grouped = zero.reshape(groups, -1)
    if not leave or bool((grouped.sum(1) < leave).any()):
        return None
    # Of more zeros than have to go any may stay: they give nothing either.
    stays = ~(grouped & (grouped.cumsum(1) <= leave))
    return torch.nonzero(stays.flatten())[:, 0]
