"""Which plain ViT a state dict is: blocks from its names, widths from its shapes."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from segpp.errors import CheckpointError
from segpp.export.models.vit.architecture import (
    FFN_RATIO,
    MAX_BLOCKS,
    Head,
    exit_blocks,
    usual_heads,
    vit,
)
from segpp.export.models.vit.loading.formats import CheckpointFormat, Module
from segpp.manifest import Architecture

__all__ = ["architecture_of", "heads_for"]

_EXIT = "exits.{j}.linear"
_CONV_RANK = 4
_MATRIX_RANK = 2
_MATRIX_RANKS = {_MATRIX_RANK, _CONV_RANK}
# Beyond the side of a pixel nothing is to be seen.
_MAX_UPSCALINGS = 5


def architecture_of(
    fmt: CheckpointFormat,
    head: Head,
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    heads: int | None,
    prefix: int,
    query_blocks: int = 0,
    rope_theta: float = 0.0,
    policy: tuple[int, int] | None = None,
) -> Architecture:
    """Return the architecture that names and shapes describe.

    Args:
        fmt: The format of the file.
        head: Of the network.
        tensors: Of the file.
        path: Of the file, for messages.
        heads: Of every attention; those of published networks of the width if None.
        prefix: Tokens before the patches.
        query_blocks: Blocks that queries pass, which no name shows.
        rope_theta: Of rotary positions, likewise; 0 without.
        policy: What the policy was trained for, where there is one.

    Raises:
        CheckpointError: A tensor that tells a size is missing or has the wrong rank, or the width
            is no multiple of the heads.
    """
    dim, channels, *sides = _shape(fmt.encoder[0].key("weight"), tensors, {_CONV_RANK}, path)
    if sides[0] != sides[1]:
        raise CheckpointError(f"{path} has patches of {sides[0]}x{sides[1]} pixels, not squares")
    depth = _blocks(fmt, "stages.{j}.blocks.0.norm1", tensors, path)
    head_blocks = 0
    if head == "mask-transformer":
        head_blocks = _blocks(fmt, "head.blocks.{j}.norm1", tensors, path)
    exits = _exits(fmt, head, tensors, depth, path)
    return vit(
        dim=dim,
        depth=depth,
        heads=heads_for(dim, heads, path),
        patch=sides[0],
        prefix=prefix,
        hidden=_hidden(fmt, tensors, dim),
        ffn=fmt.ffn,
        head=head,
        decoder=_decoder(fmt, head, tensors, dim, path),
        head_blocks=head_blocks,
        classes=_classes(fmt, head, tensors, path),
        channels=channels,
        rope_theta=rope_theta,
        policy=policy,
        exits=exits,
        exit_channels=_exit_channels(fmt, head, tensors, path) if exits else 0,
        **_more(fmt, head, tensors, path, query_blocks),
    )


def _exits(
    fmt: CheckpointFormat, head: Head, tensors: Mapping[str, Tensor], depth: int, path: Path
) -> tuple[int, ...]:
    """Return the blocks, counted from 1, before which an auxiliary head stands."""
    if head not in fmt.exits:
        return ()
    module, found = _numbers(fmt, _EXIT, tensors, head)
    if not found and not fmt.has_exits:
        return ()
    blocks = exit_blocks(depth)
    if sorted(found) != list(range(len(blocks))):
        numbers = ", ".join(map(str, sorted(found))) or "none"
        raise CheckpointError(
            f"{path} has the auxiliary heads {numbers}",
            f"expected: 0, 1, 2, before the blocks {', '.join(map(str, blocks))} of {depth}, named "
            f"as {module.key('weight')}",
        )
    return blocks


def _exit_channels(
    fmt: CheckpointFormat, head: Head, tensors: Mapping[str, Tensor], path: Path
) -> int:
    module, _ = _numbers(fmt, _EXIT, tensors, head)
    return _shape(module.key("weight").replace("{j}", "0"), tensors, {_CONV_RANK}, path)[0]


def _more(
    fmt: CheckpointFormat, head: Head, tensors: Mapping[str, Tensor], path: Path, query_blocks: int
) -> dict[str, int]:
    """Return what only networks have whose head makes its map larger several times."""
    if head == "setr-pup":
        return {"upscalings": _upscalings(fmt, "head.convs.{j}.conv", tensors, path)}
    if head != "mask-classification":
        return {}
    queries = _shape(_key(fmt, "queries"), tensors, {_MATRIX_RANK}, path)[0]
    upscalings = _upscalings(fmt, "head.upscaling.{j}.conv", tensors, path)
    return {"queries": queries, "query_blocks": query_blocks, "upscalings": upscalings}


def _upscalings(fmt: CheckpointFormat, ours: str, tensors: Mapping[str, Tensor], path: Path) -> int:
    module, found = _numbers(fmt, ours, tensors)
    upscalings = max(found, default=-1) + 1
    if upscalings > _MAX_UPSCALINGS:
        raise CheckpointError(
            f"{path} has {upscalings} upscalings",
            f"expected: 0 to {_MAX_UPSCALINGS}, named as {module.key('weight')}",
        )
    return upscalings


def heads_for(dim: int, said: int | None, path: Path) -> int:
    """Return the heads of every attention.

    Raises:
        CheckpointError: Nothing tells them, or the width is no multiple of them.
    """
    heads = said or usual_heads(dim)
    if heads is None or dim % heads:
        count = f"no multiple of {heads} heads" if heads else "and nothing tells its heads"
        raise CheckpointError(
            f"{path} has {dim} channels, {count}",
            hint="say the heads that it was trained with, as --heads 6",
        )
    return heads


def _key(fmt: CheckpointFormat, ours: str, block: int = 0) -> str:
    module = next(module for module in fmt.modules() if module.ours == ours)
    return module.key("weight").replace("{j}", str(block))


def _blocks(fmt: CheckpointFormat, ours: str, tensors: Mapping[str, Tensor], path: Path) -> int:
    module, found = _numbers(fmt, ours, tensors)
    # One name with a large number must not make a network of thousands of blocks.
    if not found or max(found) >= MAX_BLOCKS:
        raise CheckpointError(
            f"{path} has {max(found, default=-1) + 1} blocks",
            f"expected: 1 to {MAX_BLOCKS}, named as {module.key('weight')}",
        )
    return max(found) + 1


def _numbers(
    fmt: CheckpointFormat, ours: str, tensors: Mapping[str, Tensor], head: Head | None = None
) -> tuple[Module, list[int]]:
    """Return a module of ours that there are several of, and the numbers of those in a file."""
    module = next(module for module in fmt.modules(head) if module.ours == ours)
    pattern = re.escape(module.key("weight")).replace(re.escape("{j}"), r"(\d{1,4})")
    return module, [int(m[1]) for name in tensors if (m := re.fullmatch(pattern, name))]


def _hidden(fmt: CheckpointFormat, tensors: Mapping[str, Tensor], dim: int) -> int:
    """Return the channels that arrive at the last layer of a feed-forward part."""
    weight = tensors.get(_key(fmt, "stages.{j}.blocks.0.ffn.fc2"))
    if weight is None or weight.ndim != _MATRIX_RANK:
        return dim * FFN_RATIO
    return max(1, weight.shape[1])


def _decoder(
    fmt: CheckpointFormat, head: Head, tensors: Mapping[str, Tensor], dim: int, path: Path
) -> int:
    modules = {
        "mask-transformer": "head.projection",
        "setr-naive": "head.conv",
        "setr-pup": "head.convs.{j}.conv",
    }
    if head not in modules:
        return dim
    return _shape(_key(fmt, modules[head]), tensors, _MATRIX_RANKS, path)[0]


def _classes(fmt: CheckpointFormat, head: Head, tensors: Mapping[str, Tensor], path: Path) -> int:
    if head == "mask-transformer":
        return _shape(fmt.heads[head][0].theirs, tensors, {3}, path)[1]
    if head == "mask-classification":
        # One more stands for none.
        rows = _shape(fmt.heads[head][-1].key("weight"), tensors, {_MATRIX_RANK}, path)[0]
        if rows == 1:
            raise CheckpointError(f"{path} has a class for nothing and no other")
        return rows - 1
    # Its last module, since two heads of a format may call theirs the same.
    return _shape(fmt.heads[head][-1].key("weight"), tensors, _MATRIX_RANKS, path)[0]


def _shape(key: str, tensors: Mapping[str, Tensor], ranks: set[int], path: Path) -> tuple[int, ...]:
    if key not in tensors:
        raise CheckpointError(
            f"{path} lacks 1 tensor of a plain ViT",
            f"missing: {key}",
            hint="it may be incomplete or a changed network: save the whole state dict again",
        )
    shape = tuple(tensors[key].shape)
    if len(shape) not in ranks or min(shape) < 1:
        raise CheckpointError(
            f"{path} has 1 tensor of the wrong shape",
            f"{key}: expected {' or '.join(map(str, sorted(ranks)))} dimensions, found {shape}",
        )
    return shape
