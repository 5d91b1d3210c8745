"""Which SegFormer a state dict is: depths from its names, widths from its shapes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.models.segformer.architecture import STAGES, segformer, size_name
from segpp.export.models.segformer.loading.formats import Layout
from segpp.export.models.segformer.loading.formats._convert import theirs_from
from segpp.export.models.segformer.loading.formats._key_mapping import locate, places
from segpp.export.models.segformer.loading.validate import check_present
from segpp.export.models.segformer.model import SegFormer
from segpp.manifest import Architecture

__all__ = ["architecture_of", "expected_by"]

_CONV_RANK = 4
_PATCHES = tuple(f"stages.{stage}.patch_embed.conv" for stage in range(STAGES))


def architecture_of(
    layout: Layout, tensors: Mapping[str, Tensor], heads: tuple[int, ...], path: Path
) -> Architecture:
    """Return the architecture that the names and shapes of a layout's tensors describe.

    Args:
        heads: Attention heads per stage, which no shape shows.

    Raises:
        CheckpointError: A tensor is missing, one that tells a size has the wrong rank, or a width
            is no multiple of its heads.
    """
    # Names depend on the depths alone, so any widths do for seeing whether all are there.
    named = replace(segformer("b0", classes=1, head=layout.head), depths=_depths(layout, tensors))
    check_present(layout, tensors, expected_by(layout, named), path)
    shapes = {
        module: _shape_of(layout, tensors, module, path)
        for module in (*_PATCHES, "head.fuse.conv", "head.classifier")
    }
    dims = tuple(shapes[module][0] for module in _PATCHES)
    _check_heads_divide(dims, heads, path)
    return Architecture(
        name=size_name(dims, named.depths),
        dims=dims,
        depths=named.depths,
        heads=heads,
        head=layout.head,
        decoder=shapes["head.fuse.conv"][0],
        classes=shapes["head.classifier"][0],
        channels=shapes[_PATCHES[0]][1],
    )


def expected_by(layout: Layout, architecture: Architecture) -> dict[str, Tensor]:
    """Return the layout's tensors for ``architecture``: names and shapes without numbers."""
    with torch.device("meta"):
        state = SegFormer(architecture, layout.numerics).state_dict()
    # The counters of BatchNorm are of use to training only, and old files lack them.
    weights = {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}
    return theirs_from(layout, weights)


def _depths(layout: Layout, tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    blocks: list[set[int]] = [{0} for _ in range(STAGES)]
    for name in tensors:
        place = locate(layout, name)
        if place and place.block is not None and place.stage in range(STAGES):
            blocks[place.stage].add(place.block)
    # One name with a large number must not make a network of thousands of blocks.
    return tuple(min(max(found), len(tensors)) + 1 for found in blocks)


def _shape_of(
    layout: Layout, tensors: Mapping[str, Tensor], module: str, path: Path
) -> tuple[int, ...]:
    [place] = places(layout, [f"{module}.weight"])
    shape = tuple(tensors[place.theirs].shape)
    if len(shape) != _CONV_RANK or min(shape) < 1:
        raise CheckpointError(
            f"{path} has 1 tensor of the wrong shape",
            f"{place.theirs}: expected 4 dimensions (out, in, height, width), found {shape}",
        )
    return shape


def _check_heads_divide(dims: tuple[int, ...], heads: tuple[int, ...], path: Path) -> None:
    for stage, (dim, count) in enumerate(zip(dims, heads, strict=True), start=1):
        if dim % count:
            raise CheckpointError(
                f"{path} has {dim} channels in stage {stage}, no multiple of {count} heads",
                f"widths: {dims}",
                f"heads:  {heads}",
                hint="a network with other heads needs the config.json that tells them beside it",
            )
