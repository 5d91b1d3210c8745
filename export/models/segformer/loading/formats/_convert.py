"""Weights from their form to ours and back: stacked rows, 1x1 convolutions, order of levels."""

from collections.abc import Mapping

import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.models.segformer.loading.formats._base import Layout
from segpp.export.models.segformer.loading.formats._key_mapping import Place, locate, places

__all__ = ["ours_from", "theirs_from"]


def theirs_from(layout: Layout, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our state dict under their names and in their form.

    Raises:
        CheckpointError: Their network has no place for one of the tensors, because its head is
            another one.
    """
    _check_head(layout, state)
    theirs: dict[str, Tensor] = {}
    for place in places(layout, state):
        parts = [_as_theirs(layout, place, state[ours]) for ours in place.ours]
        theirs[place.theirs] = torch.cat(parts) if len(parts) > 1 else parts[0]
    return theirs


def ours_from(layout: Layout, theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return their tensors, all of names and shapes that the layout knows, as our state dict."""
    state: dict[str, Tensor] = {}
    for name, tensor in theirs.items():
        if place := locate(layout, name):
            parts = tensor.chunk(len(place.ours))
            state |= {
                ours: _as_ours(layout, place, part)
                for ours, part in zip(place.ours, parts, strict=True)
            }
    return state


def _check_head(layout: Layout, state: Mapping[str, Tensor]) -> None:
    normed = any(name.startswith("head.projections.0.norm.") for name in state)
    if normed != (layout.head == "conv-bn"):
        raise CheckpointError(
            f"a {'conv-bn' if normed else 'linear'} head is no part of {layout.title}",
            f"its head is: {layout.head}",
            hint="they are two networks, not two spellings of one",
        )


def _as_theirs(layout: Layout, place: Place, tensor: Tensor) -> Tensor:
    if place.leaf != "weight":
        return tensor
    if place.rule.stored == "conv":
        return tensor[:, :, None, None]
    if place.rule.stored == "linear":
        return tensor.flatten(1)
    return _levels(tensor, layout.fuse_order) if place.rule.ours == "head.fuse.conv" else tensor


def _as_ours(layout: Layout, place: Place, tensor: Tensor) -> Tensor:
    if place.leaf != "weight":
        return tensor
    if place.rule.stored == "conv":
        return tensor.flatten(1)
    if place.rule.stored == "linear":
        return tensor[:, :, None, None]
    order = layout.fuse_order
    inverse = tuple(order.index(stage) for stage in range(len(order)))
    return _levels(tensor, inverse) if place.rule.ours == "head.fuse.conv" else tensor


def _levels(weight: Tensor, order: tuple[int, ...]) -> Tensor:
    # (D, 4D, 1, 1): the input is one block of D channels per level.
    blocks = weight.chunk(len(order), 1)
    return torch.cat([blocks[level] for level in order], 1)
