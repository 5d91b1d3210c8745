"""Prefix and positions: tokens before the patches with their positions added, and a grid of those.

Positions are stored in a row, the prefix's first.
"""

from collections.abc import Mapping
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.models._common.tensors import owned
from segpp.export.models.vit.loading.formats import CheckpointFormat
from segpp.ops.grid import Grid, Size

__all__ = ["position_grid", "prefix_names", "split_positions"]

_RANK = 3


def prefix_names(fmt: CheckpointFormat, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the tokens of a format that a file has."""
    return tuple(name for name in fmt.prefix if name in tensors)


def position_grid(
    fmt: CheckpointFormat,
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    dim: int,
    trained: Size | None,
    patch: int,
) -> Grid:
    """Return the grid of the patches that the positions belong to.

    Args:
        fmt: The format.
        tensors: Of the file.
        path: Of the file, for messages.
        dim: Channels of a token.
        trained: Size that a configuration says; without one the grid is a square.
        patch: Side of a patch.

    Raises:
        CheckpointError: The positions are of no grid, or a token before them has another shape.
    """
    names = prefix_names(fmt, tensors)
    for name in names:
        if tuple(tensors[name].shape) != (1, 1, dim):
            raise _wrong(name, (1, 1, dim), tensors, path)
    shape = tuple(tensors[fmt.positions].shape)
    count = shape[1] - len(names) if len(shape) == _RANK else 0
    if count < 1 or shape != (1, count + len(names), dim):
        raise _wrong(fmt.positions, (1, f"{len(names)} + patches", dim), tensors, path)
    if trained is not None:
        grid = Grid(trained.height // patch, trained.width // patch)
        if grid.tokens == count:
            return grid
    side = isqrt(count)
    if side**2 != count:
        raise CheckpointError(
            f"{path} has positions of {count} patches, which are no square",
            f"trained at {trained}" if trained else "no configuration tells the trained size",
            hint="save it together with its training configuration",
        )
    return Grid(side, side)


def split_positions(
    fmt: CheckpointFormat, tensors: Mapping[str, Tensor], grid: Grid
) -> dict[str, Tensor]:
    """Return our tensors of prefix and positions."""
    names = prefix_names(fmt, tensors)
    positions = owned(tensors[fmt.positions])
    patches = positions[:, len(names) :].reshape(1, grid.height, grid.width, -1)
    ours = {"patch_embed.positions": patches.contiguous()}
    if names:
        tokens = torch.cat([owned(tensors[name]) for name in names], 1)
        ours["patch_embed.prefix"] = tokens + positions[:, : len(names)]
    return ours


def _wrong(
    name: str, expected: tuple[object, ...], tensors: Mapping[str, Tensor], path: Path
) -> CheckpointError:
    shown = ", ".join(map(str, expected))
    return CheckpointError(
        f"{path} has 1 tensor of the wrong shape for a plain ViT",
        f"{name}: expected ({shown}), found {tuple(tensors[name].shape)}",
    )
