"""Prefix and positions: tokens before the patches with their positions added, and a grid of those.

Positions are stored in a row, the prefix's first; some formats have those of the patches alone.
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

__all__ = ["position_grid", "prefix_count", "prefix_names", "split_positions"]

_RANK = 3


def prefix_names(fmt: CheckpointFormat, tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the tokens of a format that a file has."""
    return tuple(name for name in fmt.tokens if name in tensors)


def prefix_count(fmt: CheckpointFormat, tensors: Mapping[str, Tensor], path: Path) -> int:
    """Return how many tokens these are.

    Raises:
        CheckpointError: The registers are in no row.
    """
    names = prefix_names(fmt, tensors)
    if fmt.registers not in names:
        return len(names)
    shape = tensors[fmt.registers].shape
    if len(shape) != _RANK:
        raise _wrong(fmt.registers, (1, "registers", "channels"), tensors, path)
    return len(names) - 1 + shape[1]


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
    before = prefix_count(fmt, tensors, path)
    for name in prefix_names(fmt, tensors):
        count = before - len(fmt.prefix) if name == fmt.registers else 1
        if tuple(tensors[name].shape) != (1, count, dim):
            raise _wrong(name, (1, count, dim), tensors, path)
    if fmt.positions is None:
        if trained is None:
            raise CheckpointError(f"{path} does not tell the size that it was trained on")
        return Grid(trained.height // patch, trained.width // patch)
    count = _patches(fmt.positions, fmt, tensors, path, dim=dim, before=before)
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


def _patches(
    name: str,
    fmt: CheckpointFormat,
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    dim: int,
    before: int,
) -> int:
    """Return how many patches the positions called ``name`` are of."""
    shape = tuple(tensors[name].shape)
    if fmt.patch_positions:
        if shape[1:] != (dim,) or shape[0] < 1:
            raise _wrong(name, ("patches", dim), tensors, path)
        return shape[0]
    count = shape[1] - before if len(shape) == _RANK else 0
    if count < 1 or shape != (1, count + before, dim):
        raise _wrong(name, (1, f"{before} + patches", dim), tensors, path)
    return count


def split_positions(
    fmt: CheckpointFormat, tensors: Mapping[str, Tensor], grid: Grid
) -> dict[str, Tensor]:
    """Return our tensors of prefix and positions."""
    names = prefix_names(fmt, tensors)
    if fmt.positions is None:
        return {"patch_embed.prefix": torch.cat([owned(tensors[name]) for name in names], 1)}
    positions = owned(tensors[fmt.positions])
    before = 0 if fmt.patch_positions else len(names)
    row = positions[None] if fmt.patch_positions else positions[:, before:]
    ours = {"patch_embed.positions": row.reshape(1, grid.height, grid.width, -1).contiguous()}
    if names:
        tokens = torch.cat([owned(tensors[name]) for name in names], 1)
        ours["patch_embed.prefix"] = tokens + positions[:, :before] if before else tokens
    return ours


def _wrong(
    name: str, expected: tuple[object, ...], tensors: Mapping[str, Tensor], path: Path
) -> CheckpointError:
    shown = ", ".join(map(str, expected))
    return CheckpointError(
        f"{path} has 1 tensor of the wrong shape for a plain ViT",
        f"{name}: expected ({shown}), found {tuple(tensors[name].shape)}",
    )
