"""Prefix and positions: tokens before the patches with their positions added, and a grid of those.

Positions are stored in a row, the prefix's first. A network of ours has one number where a file has
two, a token of the prefix and its position.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.models._common.tensors import owned
from segpp.export.models.vit.loading.formats import CheckpointFormat
from segpp.ops.grid import Grid, Size

__all__ = [
    "Prefix",
    "joined_positions",
    "position_grid",
    "prefix_names",
    "prefix_of",
    "split_positions",
]

_RANK = 3
_PATCHES, _PREFIX = "patch_embed.positions", "patch_embed.prefix"


@dataclass(frozen=True)
class Prefix:
    """What a file has before the patches.

    Attributes:
        names: Of the tokens.
        tokens: (1, P, C), FP32.
        positions: (1, P, C), FP32.
    """

    names: tuple[str, ...]
    tokens: Tensor
    positions: Tensor


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
    prefix = prefix_of(fmt, tensors)
    count = len(prefix.names)
    patches = owned(tensors[fmt.positions])[:, count:].reshape(1, grid.height, grid.width, -1)
    ours = {_PATCHES: patches.contiguous()}
    return ours | {_PREFIX: prefix.tokens + prefix.positions} if count else ours


def prefix_of(fmt: CheckpointFormat, tensors: Mapping[str, Tensor]) -> Prefix:
    """Return what a file has before the patches, as copies."""
    names = prefix_names(fmt, tensors)
    positions = owned(tensors[fmt.positions])[:, : len(names)].clone()
    tokens = [owned(tensors[name]) for name in names]
    return Prefix(names, torch.cat(tokens, 1) if tokens else positions, positions)


def joined_positions(
    fmt: CheckpointFormat, state: Mapping[str, Tensor], prefix: Prefix
) -> dict[str, Tensor]:
    """Return the tensors in a file of our prefix and positions: ``split_positions``, backwards.

    Where a sum is the one that was read, token and position are those of the file. Where it is
    another the token is all of it and the position zero: two numbers that are rounded apart would
    not be read as the same sum, and in half precision not even as one near it.

    Args:
        fmt: The format.
        state: Ours.
        prefix: What the file had.
    """
    tokens, positions = prefix.tokens, prefix.positions
    if prefix.names:
        same = state[_PREFIX] == tokens + positions
        tokens = tokens.where(same, state[_PREFIX])
        positions = positions.where(same, torch.zeros_like(positions))
    theirs = {name: tokens[:, place : place + 1] for place, name in enumerate(prefix.names)}
    return {**theirs, fmt.positions: torch.cat([positions, state[_PATCHES].flatten(1, 2)], 1)}


def _wrong(
    name: str, expected: tuple[object, ...], tensors: Mapping[str, Tensor], path: Path
) -> CheckpointError:
    shown = ", ".join(map(str, expected))
    return CheckpointError(
        f"{path} has 1 tensor of the wrong shape for a plain ViT",
        f"{name}: expected ({shown}), found {tuple(tensors[name].shape)}",
    )
