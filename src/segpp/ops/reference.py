"""The numpy oracle of each custom operator, slow and clear on purpose.

Whatever computes an operator (the torch code, the function body in the file, a CUDA plugin) is held
to what stands here, ties and empty slots included.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segpp.ops.grid import Grid
from segpp.ops.partition import BipartitePartition

__all__ = [
    "GROUP",
    "MAX_INT8_CLASSES",
    "decode_head_reference",
    "match_reference",
    "merge_reference",
    "resize_argmax_reference",
    "unmerge_add_reference",
    "unmerge_reference",
]

# Members of a slot are summed in consecutive groups of this many, so that a warp can own a group.
GROUP = 32

# Labels are INT8 up to this many classes: a TensorRT plugin cannot output UINT8.
MAX_INT8_CLASSES = 127

Array = NDArray[np.float32]
Slots = NDArray[np.int32]


def match_reference(
    x: Array,
    *,
    height: int,
    width: int,
    stride_y: int,
    stride_x: int,
    merged: int,
    window: int = 0,
) -> Slots:
    """Assign every token to a slot; tokens in one slot will be merged.

    Cosine similarities are FP32, and zero for a token without length. Each source's best
    destination is the most similar (lowest index on ties), among all (``window`` 0) or among those
    at most ``window`` cells away in both directions. The ``merged`` sources with the highest
    scores merge (lowest index on ties). Slots: the sources that stay, in raster order, then the
    destinations.

    Args:
        x: Tokens (B, N, C) in raster order of a ``height`` x ``width`` grid; finite, and with
            squared norms that are finite in FP32.
        merged: How many sources merge, 0 to their number.

    Returns:
        Slots (B, N), 0 to N - merged - 1.

    Source: Bolya & Hoffman, 2023 (arXiv:2303.17604), without its randomness.
    """
    partition = BipartitePartition(Grid(height, width), stride_y, stride_x)
    return np.stack([_match_one(tokens, partition, merged, window) for tokens in x])


def _match_one(tokens: Array, partition: BipartitePartition, merged: int, window: int) -> Slots:
    unit = _unit(tokens.astype(np.float32))
    scores = unit[partition.sources] @ unit[partition.destinations].T
    if window:
        scores = np.where(partition.near(window), scores, -np.inf)
    best = scores.argmax(1)
    # A stable sort of the negated scores keeps the lowest index first among equals.
    order = np.argsort(-scores.max(1), kind="stable")
    kept = np.sort(order[merged:])
    slot = np.empty(partition.grid.tokens, np.int32)
    slot[partition.sources] = len(kept) + best
    slot[partition.sources[kept]] = np.arange(len(kept))
    slot[partition.destinations] = len(kept) + np.arange(partition.cells.tokens)
    return slot


def _unit(x: Array) -> Array:
    squares = np.square(x).sum(-1, keepdims=True)
    lengths = np.sqrt(squares)
    unit: Array = np.divide(x, lengths, out=np.zeros_like(x), where=lengths > 0)
    return unit


def merge_reference(x: Array, slot: Slots, *, slots: int, singles: int = 0) -> Array:
    """Average the rows that share a slot; a slot without rows is zero.

    The order of additions is fixed, so that every implementation can give the same bits: members
    in raster order, FP32 sums of consecutive groups of ``GROUP`` members, then the sum of the
    group sums in order, from +0, divided by the count, rounded once to x's type.

    Args:
        x: Tokens (B, N, C), FP32 or narrower.
        slot: Slot of each token (B, N), 0 to ``slots`` - 1.
        slots: M, the length of the result.
        singles: A promise of whoever made ``slot``: each of the first so many slots has exactly one
            member. It changes no result; an implementation may copy those rows. 0 is always true.

    Returns:
        (B, M, C), in x's type.

    Raises:
        ValueError: The promise is broken.
    """
    for assigned in slot:
        if (np.bincount(assigned, minlength=slots)[:singles] != 1).any():
            raise ValueError(f"one of the first {singles} slots has not exactly one member")
    out = np.zeros((x.shape[0], slots, x.shape[2]), np.float32)
    for image in range(x.shape[0]):
        for index in np.unique(slot[image]):
            members = x[image][slot[image] == index].astype(np.float32)
            out[image, index] = _grouped_sum(members) / np.float32(len(members))
    return out.astype(x.dtype)


def _grouped_sum(members: Array) -> Array:
    total = np.zeros(members.shape[1], np.float32)
    for start in range(0, len(members), GROUP):
        group = np.zeros_like(total)
        for row in members[start : start + GROUP]:
            group += row
        total += group
    return total


def unmerge_reference(y: Array, slot: Slots) -> Array:
    """Give every token the row of its slot: y (B, M, C) and slot (B, N) to (B, N, C)."""
    return np.stack([rows[index] for rows, index in zip(y, slot, strict=True)])


def unmerge_add_reference(y: Array, slot: Slots, residual: Array) -> Array:
    """Add the row of its slot to every token: y (B, M, C) and slot (B, N) to residual (B, N, C).

    Each sum is rounded once to the type of both.
    """
    return (residual + unmerge_reference(y, slot)).astype(y.dtype)


def resize_argmax_reference(
    logits: Array, *, height: int, width: int, align_corners: bool = False
) -> NDArray[np.integer]:
    """Resize logits bilinearly and take the best class (lowest on ties) at every pixel.

    FP32, columns before rows, no antialiasing:
    ``(1-v) * ((1-u) * p00 + u * p01) + v * ((1-u) * p10 + u * p11)``.
    A single channel is the logit of a sigmoid: label 1 where it is above 0, else 0.

    Args:
        logits: (B, K, h, w).
        align_corners: Map corner pixels onto corner pixels; otherwise centres are at half pixels.

    Returns:
        Labels (B, height, width), INT8 when K <= 127, INT32 otherwise.
    """
    size = height, width
    pixels = _resized(logits.astype(np.float32), size, align_corners=align_corners)
    kind = np.int8 if logits.shape[1] <= MAX_INT8_CLASSES else np.int32
    labels = pixels[:, 0] > 0 if logits.shape[1] == 1 else pixels.argmax(1)
    chosen: NDArray[np.integer] = labels.astype(kind)
    return chosen


def decode_head_reference(
    levels: Sequence[Array], weight: Array, bias: Array, *, align_corners: bool = False
) -> Array:
    """Fuse four maps at the size of the first and classify every pixel of it.

    ``logits = W relu(x_1 + ((U x_2 + U x_3) + U x_4)) + b``, with U bilinear resizing to the size
    of the first, without antialiasing. All of it is FP32, rounded once to the levels' type. An
    implementation may add in another order, and in half precision round what it multiplies by W to
    that type, as the operators one by one do.

    Args:
        levels: (B, D, h, w), then three (B, D, h_i, w_i) of any size, FP32 or narrower.
        weight: W, the classifier as a 1x1 convolution, (K, D, 1, 1).
        bias: b, (K).
        align_corners: Map corner pixels onto corner pixels; otherwise centres are at half pixels.

    Returns:
        Logits (B, K, h, w), in the levels' type.

    Source: Xie et al., SegFormer, 2021 (arXiv:2105.15203), section 3.2, with its linear layers
    below the resizing.
    """
    first, *deeper = (level.astype(np.float32) for level in levels)
    size = first.shape[2], first.shape[3]
    second, third, fourth = (_resized(x, size, align_corners=align_corners) for x in deeper)
    # As torch and CUDA have it, not a number stays one.
    fused = np.maximum(first + ((second + third) + fourth), np.float32(0))
    matrix = weight[:, :, 0, 0].astype(np.float32)
    logits = np.einsum("kd,bdyx->bkyx", matrix, fused, optimize=True)
    logits += bias.astype(np.float32)[:, None, None]
    rounded: Array = logits.astype(levels[0].dtype)
    return rounded


def _resized(x: Array, size: tuple[int, int], *, align_corners: bool) -> Array:
    """Return FP32 values (B, K, h, w) resized bilinearly to (B, K, *size), columns first."""
    top, bottom, v = _neighbours(size[0], x.shape[2], align_corners=align_corners)
    left, right, u = _neighbours(size[1], x.shape[3], align_corners=align_corners)
    columns = (1 - u) * x[..., left] + u * x[..., right]
    v = v[:, None]
    resized: Array = (1 - v) * columns[:, :, top] + v * columns[:, :, bottom]
    return resized


def _neighbours(
    out: int, size: int, *, align_corners: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    index = np.arange(out, dtype=np.float32)
    if align_corners:
        source = index * (np.float32(size - 1) / np.float32(max(out - 1, 1)))
    else:
        scale = np.float32(size) / np.float32(out)
        source = np.maximum((index + np.float32(0.5)) * scale - np.float32(0.5), np.float32(0))
    low = np.floor(source).astype(np.int64)
    return low, np.minimum(low + 1, size - 1), (source - low).astype(np.float32)
