"""Prefix and positions: tokens before the patches with their positions added, and a grid of those.

Positions are stored in a row, the prefix's first; registers have none, and some formats have those
of the patches alone. A network of ours has one number where a file has two, a token of the prefix
and its position.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.models._common.tensors import owned
from segpp.export.models.vit.input_size import MAX_PIXELS
from segpp.export.models.vit.loading.formats import CheckpointFormat
from segpp.ops.grid import Grid, Size

__all__ = [
    "Prefix",
    "joined_positions",
    "position_grid",
    "prefix_count",
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
        counts: How many tokens each name has.
        tokens: (1, P, C), FP32.
        positions: (1, P, C), FP32; zeros where the file has none.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    tokens: Tensor
    positions: Tensor


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


def _placed(fmt: CheckpointFormat, names: tuple[str, ...]) -> int:
    """Return how many of the tokens before the patches have a position in their row."""
    return 0 if fmt.patch_positions else sum(name != fmt.registers for name in names)


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
    before, names = prefix_count(fmt, tensors, path), prefix_names(fmt, tensors)
    for name in names:
        count = before - len(names) + 1 if name == fmt.registers else 1
        if tuple(tensors[name].shape) != (1, count, dim):
            raise _wrong(name, (1, count, dim), tensors, path)
    if fmt.positions is None:
        if trained is None:
            raise CheckpointError(f"{path} does not tell the size that it was trained on")
        _check_turned(trained, path, patch)
        return Grid(trained.height // patch, trained.width // patch)
    placed = _placed(fmt, names)
    count = _patches(fmt.positions, fmt, tensors, path, dim=dim, before=placed)
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


def _check_turned(trained: Size, path: Path, patch: int) -> None:
    """Raise CheckpointError for a size that no weight shows and that no image can have."""
    if min(trained) < patch or trained.height * trained.width > MAX_PIXELS:
        raise CheckpointError(
            f"{path} was trained at {trained}, as its configuration says",
            f"expected: a patch of {patch} pixels at least, and no more than {MAX_PIXELS:,} pixels",
            hint="put the file that was written with these weights beside them",
        )


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
    if fmt.patch_positions and len(shape) != _RANK:
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
    prefix, ours = prefix_of(fmt, tensors), dict[str, Tensor]()
    if fmt.positions is not None:
        row = owned(tensors[fmt.positions])
        patches = row[:, _placed(fmt, prefix.names) :] if row.ndim == _RANK else row
        ours[_PATCHES] = patches.reshape(1, grid.height, grid.width, -1).contiguous()
    return ours | {_PREFIX: prefix.tokens + prefix.positions} if prefix.names else ours


def prefix_of(fmt: CheckpointFormat, tensors: Mapping[str, Tensor]) -> Prefix:
    """Return what a file has before the patches, as copies."""
    names = prefix_names(fmt, tensors)
    tokens = [owned(tensors[name]) for name in names]
    row = None if fmt.positions is None else owned(tensors[fmt.positions])
    if row is None or fmt.patch_positions:
        joined = torch.cat(tokens, 1)
        return Prefix(names, tuple(t.shape[1] for t in tokens), joined, torch.zeros_like(joined))
    positions = row[:, : _placed(fmt, names)].clone()
    joined = torch.cat(tokens, 1) if tokens else positions
    # Registers are the last of them.
    none = torch.zeros_like(joined[:, positions.shape[1] :])
    counts = tuple(token.shape[1] for token in tokens)
    return Prefix(names, counts, joined, torch.cat((positions, none), 1))


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
    if fmt.positions is None or fmt.patch_positions:
        return _apart(fmt, state, prefix)
    tokens, positions = prefix.tokens, prefix.positions
    if prefix.names:
        same = state[_PREFIX] == tokens + positions
        tokens = tokens.where(same, state[_PREFIX])
        positions = positions.where(same, torch.zeros_like(positions))
    theirs = dict(zip(prefix.names, torch.split(tokens, list(prefix.counts), 1), strict=True))
    row = positions[:, : _placed(fmt, prefix.names)]
    return {**theirs, fmt.positions: torch.cat([row, state[_PATCHES].flatten(1, 2)], 1)}


def _apart(fmt: CheckpointFormat, state: Mapping[str, Tensor], prefix: Prefix) -> dict[str, Tensor]:
    """Return the same where nothing is added to the tokens before the patches."""
    parts = torch.split(state[_PREFIX], list(prefix.counts), 1)
    theirs = dict(zip(prefix.names, parts, strict=True))
    if fmt.positions is not None:
        theirs[fmt.positions] = state[_PATCHES].flatten(1, 2)[0]
    return theirs


def _wrong(
    name: str, expected: tuple[object, ...], tensors: Mapping[str, Tensor], path: Path
) -> CheckpointError:
    shown = ", ".join(map(str, expected))
    return CheckpointError(
        f"{path} has 1 tensor of the wrong shape for a plain ViT",
        f"{name}: expected ({shown}), found {tuple(tensors[name].shape)}",
    )
