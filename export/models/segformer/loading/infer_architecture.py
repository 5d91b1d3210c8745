"""Which SegFormer a state dict is: depths from its names, widths from its shapes."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.models.segformer.architecture import STAGES, segformer, size_name
from segpp.export.models.segformer.loading.formats import (
    CheckpointFormat,
    from_segpp,
    key_matches,
    match_key,
)
from segpp.export.models.segformer.loading.heads import check_heads_divide
from segpp.export.models.segformer.loading.validate import check_present
from segpp.export.models.segformer.model import SegFormer
from segpp.manifest import Architecture

__all__ = ["architecture_of", "expected_by"]

_CONV_RANK = 4
_PATCHES = tuple(f"stages.{stage}.patch_embed.conv" for stage in range(STAGES))


def architecture_of(
    fmt: CheckpointFormat, tensors: Mapping[str, Tensor], heads: tuple[int, ...], path: Path
) -> Architecture:
    """Return the architecture that the names and shapes of a format's tensors describe.

    Args:
        heads: Attention heads per stage, which no shape shows.

    Raises:
        CheckpointError: A tensor is missing, one that tells a size has the wrong rank, or a width
            is no multiple of its heads.
    """
    # Names depend on the depths alone, so any widths do for seeing whether all are there.
    named = replace(segformer("b0", classes=1, head=fmt.head), depths=_depths(fmt, tensors))
    check_present(fmt, tensors, expected_by(fmt, named), path)
    shapes = {
        module: _shape_of(fmt, tensors, module, path)
        for module in (*_PATCHES, "head.fuse.conv", "head.classifier")
    }
    dims = tuple(shapes[module][0] for module in _PATCHES)
    check_heads_divide(dims, heads, path)
    return Architecture(
        name=size_name(dims, named.depths),
        dims=dims,
        depths=named.depths,
        heads=heads,
        head=fmt.head,
        decoder=shapes["head.fuse.conv"][0],
        classes=shapes["head.classifier"][0],
        channels=shapes[_PATCHES[0]][1],
    )


def expected_by(fmt: CheckpointFormat, architecture: Architecture) -> dict[str, Tensor]:
    """Return the format's tensors for ``architecture``: names and shapes without numbers."""
    return dict(_expected(fmt, architecture))


@lru_cache(maxsize=16)
def _expected(fmt: CheckpointFormat, architecture: Architecture) -> dict[str, Tensor]:
    with torch.device("meta"):
        state = SegFormer(architecture, fmt.numerics).state_dict()
    # The counters of BatchNorm are of use to training only, and old files lack them.
    weights = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
    return from_segpp(fmt, weights)


def _depths(fmt: CheckpointFormat, tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    blocks: list[set[int]] = [{0} for _ in range(STAGES)]
    for name in tensors:
        match = match_key(fmt, name)
        if match and match.block is not None and match.stage in range(STAGES):
            blocks[match.stage].add(match.block)
    # One name with a large number must not make a network of thousands of blocks.
    return tuple(min(max(numbers), len(tensors)) + 1 for numbers in blocks)


def _shape_of(
    fmt: CheckpointFormat, tensors: Mapping[str, Tensor], module: str, path: Path
) -> tuple[int, ...]:
    [match] = key_matches(fmt, [f"{module}.weight"])
    shape = tuple(tensors[match.key].shape)
    if len(shape) != _CONV_RANK or min(shape) < 1:
        raise CheckpointError(
            f"{path} has 1 tensor of the wrong shape",
            f"{match.key}: expected 4 dimensions (out, in, height, width), found {shape}",
        )
    return shape
