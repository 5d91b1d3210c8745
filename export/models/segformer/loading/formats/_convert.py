"""Weights from a file's form to ours and back: stacked rows, 1x1 convolutions, order of levels."""
# ruff: noqa: PLC0415 - the formats are listed without torch

from collections.abc import Mapping
from typing import TYPE_CHECKING

from segpp.errors import CheckpointError
from segpp.export.models.segformer.loading.formats._base import CheckpointFormat
from segpp.export.models.segformer.loading.formats._key_mapping import (
    KeyMatch,
    key_matches,
    match_key,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["from_segpp", "to_segpp"]


def from_segpp(fmt: CheckpointFormat, state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return our state dict under the names of a format and in its form.

    Raises:
        CheckpointError: The format's network has no place for one of the tensors, because its head
            is another one.
    """
    import torch

    _check_head(fmt, state)
    converted: dict[str, Tensor] = {}
    for match in key_matches(fmt, state):
        parts = [_to_stored_form(fmt, match, state[name]) for name in match.names]
        # q, k and v below one another: (C, C) each, (2 * C, C) or (3 * C, C) together.
        converted[match.key] = torch.cat(parts) if len(parts) > 1 else parts[0]
    return converted


def to_segpp(fmt: CheckpointFormat, tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return tensors, all of names and shapes that the format knows, as our state dict."""
    state: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if match := match_key(fmt, key):
            parts = tensor.chunk(len(match.names))
            state |= {
                name: _to_our_form(fmt, match, part)
                for name, part in zip(match.names, parts, strict=True)
            }
    return state


def _check_head(fmt: CheckpointFormat, state: "Mapping[str, Tensor]") -> None:
    normed = any(name.startswith("head.projections.0.norm.") for name in state)
    if normed != (fmt.head == "conv-bn"):
        raise CheckpointError(
            f"a {'conv-bn' if normed else 'linear'} head is no part of {fmt.title}",
            f"its head is: {fmt.head}",
            hint="they are two networks, not two spellings of one",
        )


def _to_stored_form(fmt: CheckpointFormat, match: KeyMatch, tensor: "Tensor") -> "Tensor":
    if match.leaf != "weight":
        return tensor
    if match.rule.stored == "conv":
        return tensor[:, :, None, None]
    if match.rule.stored == "linear":
        return tensor.flatten(1)
    is_fuse = match.rule.module == "head.fuse.conv"
    return _reorder_levels(tensor, fmt.fuse_order) if is_fuse else tensor


def _to_our_form(fmt: CheckpointFormat, match: KeyMatch, tensor: "Tensor") -> "Tensor":
    if match.leaf != "weight":
        return tensor
    if match.rule.stored == "conv":
        return tensor.flatten(1)
    if match.rule.stored == "linear":
        return tensor[:, :, None, None]
    order = fmt.fuse_order
    inverse = tuple(order.index(stage) for stage in range(len(order)))
    is_fuse = match.rule.module == "head.fuse.conv"
    return _reorder_levels(tensor, inverse) if is_fuse else tensor


def _reorder_levels(weight: "Tensor", order: tuple[int, ...]) -> "Tensor":
    import torch

    # (D, 4D, 1, 1): the input is one block of D channels per level.
    blocks = weight.chunk(len(order), 1)
    return torch.cat([blocks[level] for level in order], 1)
