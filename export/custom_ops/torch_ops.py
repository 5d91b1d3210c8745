"""The custom operators in torch: real arithmetic when called, one node each when exported.

The contract of each is in ``segpp.ops``, and its NumPy reference there is what this is held to.
Shapes are static: which tokens are sources and which destinations is constant.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from segpp import ops
from segpp.ops.grid import Grid
from segpp.ops.partition import BipartitePartition

__all__ = [
    "MatchSettings",
    "decode_head",
    "match",
    "matching_by",
    "merge",
    "plain_match",
    "resize_argmax",
    "unmerge",
]

# By these TensorRT finds the plugin; the namespace attribute, though empty, makes 10.15 and later
# prefer it to the function of the same name.
_PLUGIN = {"plugin_version": "1", "plugin_namespace": ""}


@dataclass(frozen=True)
class MatchSettings:
    """The attributes of a SegppTokenMatch node.

    Attributes:
        height: Rows of tokens.
        width: Columns of tokens.
        stride_y: Rows of a cell; its first token is a destination.
        stride_x: Columns of a cell.
        merged: How many sources merge.
        window: How many cells away a destination may be; 0 is any distance.
    """

    height: int
    width: int
    stride_y: int
    stride_x: int
    merged: int
    window: int

    @property
    def partition(self) -> BipartitePartition:
        """Which tokens are sources, which destinations."""
        return BipartitePartition(Grid(self.height, self.width), self.stride_y, self.stride_x)


# From FP32 tokens (B, N, C) to slots (B, N) int32.
Matcher = Callable[[Tensor, MatchSettings], Tensor]


def match(
    x: Tensor, grid: Grid, *, stride_y: int, stride_x: int, merged: int, window: int = 0
) -> Tensor:
    """Assign each token of x (B, N, C) a slot (B, N) INT32, as ``ops.match_reference`` does.

    Args:
        x: Tokens in raster order of ``grid``.
        grid: N tokens.
        stride_y: Rows of a cell.
        stride_x: Columns of a cell.
        merged: How many sources merge, 0 to their number.
        window: How many cells away a destination may be; 0 is any distance.
    """
    settings = MatchSettings(grid.height, grid.width, stride_y, stride_x, merged, window)
    if torch.compiler.is_exporting():
        return _node("SegppTokenMatch", (x,), asdict(settings), torch.int32, x.shape[:2])
    # Which token goes where has no gradient; and autocast would compare in half precision, where
    # cosines near 1 are all the same.
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        return _matcher.get()(x.float(), settings)


@contextmanager
def matching_by(matcher: Matcher) -> Iterator[None]:
    """Let ``matcher`` decide all matches inside the block, in place of ``plain_match``."""
    token = _matcher.set(matcher)
    try:
        yield
    finally:
        _matcher.reset(token)


def plain_match(x: Tensor, settings: MatchSettings) -> Tensor:
    """Match FP32 tokens x (B, N, C) to slots (B, N) INT32.

    Source: Bolya & Hoffman, Token Merging for Fast Stable Diffusion, 2023 (arXiv:2303.17604),
    section 3, without its randomness.
    """
    partition, merged, window = settings.partition, settings.merged, settings.window
    sources = torch.from_numpy(partition.sources).to(x.device)
    destinations = torch.from_numpy(partition.destinations).to(x.device)
    # 1. Cosines of every source with every destination, (B, S, D); a token without length has
    #    cosine zero with everything. Destinations beyond the window are out of the question.
    length = x.norm(dim=2, keepdim=True)
    unit = x / torch.where(length > 0, length, 1.0)
    scores = unit[:, sources] @ unit[:, destinations].transpose(1, 2)
    if window:
        near = torch.from_numpy(partition.near(window)).to(x.device)
        scores = scores.masked_fill(~near, -torch.inf)
    best = scores.argmax(2)
    score = scores.gather(2, best[:, :, None]).squeeze(2)
    # 3. The k sources that stay are the last of them by score, (B, k), in raster order. The sort is
    #    stable: of equals the first merges.
    order = score.sort(dim=1, descending=True, stable=True).indices
    kept = order[:, merged:].sort(dim=1).values
    # 4. Slots 0 to k - 1 are those sources, k + d is destination d and what merges into it.
    slot = torch.empty(x.shape[:2], dtype=torch.int32, device=x.device)
    ranks = torch.arange(slot.shape[1], dtype=torch.int32, device=x.device)
    slot[:, sources] = (kept.shape[1] + best).int()
    slot[:, destinations] = kept.shape[1] + ranks[: len(destinations)]
    return slot.scatter(1, sources[kept], ranks[: kept.shape[1]].expand(kept.shape))


_matcher: ContextVar[Matcher] = ContextVar("matcher", default=plain_match)


def merge(x: Tensor, slot: Tensor, slots: int, singles: int = 0) -> Tensor:
    """Average the rows of x (B, N, C) that share a slot, to (B, slots, C).

    Args:
        x: Tokens.
        slot: Slot of each token (B, N), 0 to ``slots`` - 1.
        slots: M, how many tokens are left.
        singles: How many of the first slots are known to have exactly one row.
    """
    if torch.compiler.is_exporting():
        shape = (x.shape[0], slots, x.shape[2])
        attributes = {"slots": slots, "singles": singles}
        return _node("SegppTokenMerge", (x, slot), attributes, x.dtype, shape)
    # Sums and counts per slot, (B, M, C) and (B, M), in FP32 at least: half precision counts
    # exactly to 2,048 only.
    index = slot.long()[:, :, None].expand(x.shape)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    total = wide.new_zeros(x.shape[0], slots, x.shape[2])
    ones = torch.ones(slot.shape, device=x.device)
    count = ones.new_zeros(x.shape[0], slots).scatter_add(1, slot.long(), ones)
    mean = total.scatter_add(1, index, wide) / count.clamp(min=1)[:, :, None]
    return mean.to(x.dtype)


def unmerge(y: Tensor, slot: Tensor) -> Tensor:
    """Give every token the row of its slot: y (B, M, C), slot (B, N) to (B, N, C)."""
    if torch.compiler.is_exporting():
        shape = (*slot.shape, y.shape[2])
        return _node("SegppTokenUnmerge", (y, slot), {}, y.dtype, shape)
    return y.gather(1, slot.long()[:, :, None].expand(-1, -1, y.shape[2]))


def resize_argmax(
    logits: Tensor, height: int, width: int, *, align_corners: bool = False
) -> Tensor:
    """Resize logits (B, K, h, w) bilinearly; return the best class (B, height, width).

    Labels are INT8 up to ``ops.MAX_INT8_CLASSES`` classes, else INT32. Of a single channel they
    are 1 where it is above 0.
    """
    kind = torch.int8 if logits.shape[1] <= ops.MAX_INT8_CLASSES else torch.int32
    if torch.compiler.is_exporting():
        shape = (logits.shape[0], height, width)
        attributes = {
            "height": height,
            "width": width,
            "classes": logits.shape[1],
            "align_corners": int(align_corners),
        }
        return _node("SegppResizeArgmax", (logits,), attributes, kind, shape)
    size = (height, width)
    pixels = F.interpolate(logits.float(), size, mode="bilinear", align_corners=align_corners)
    labels = pixels[:, 0] > 0 if pixels.shape[1] == 1 else pixels.argmax(1)
    return labels.to(kind)


def decode_head(
    levels: list[Tensor], weight: Tensor, bias: Tensor, *, align_corners: bool = False
) -> Tensor:
    """Return logits (B, K, h, w), as ``ops.decode_head_reference`` does.

    Args:
        levels: What each level adds to the fused map: (B, D, h, w), then three (B, D, h_i, w_i).
        weight: The classifier as a 1x1 convolution, (K, D, 1, 1).
        bias: Its bias, (K).
        align_corners: How the deeper levels are resized to the first.
    """
    first, *deeper = levels
    if torch.compiler.is_exporting():
        shape = (first.shape[0], weight.shape[0], *first.shape[2:])
        attributes = {"align_corners": int(align_corners)}
        inputs = (first, *deeper, weight, bias)
        return _node("SegppDecodeHead", inputs, attributes, first.dtype, shape)
    size = first.shape[2:]
    second, third, fourth = (
        F.interpolate(x, size, mode="bilinear", align_corners=align_corners) for x in deeper
    )
    fused = (first + ((second + third) + fourth)).relu()
    return F.conv2d(fused, weight, bias)


def _node(
    name: str,
    inputs: tuple[Tensor, ...],
    attributes: dict[str, int],
    dtype: torch.dtype,
    shape: tuple[int, ...] | torch.Size,
) -> Tensor:
    # Outputs get their shape and type from here: the exporter knows nothing of our operators.
    values: dict[str, Any] = {**attributes, **_PLUGIN}
    return torch.onnx.ops.symbolic(
        f"{ops.DOMAIN}::{name}",
        inputs,
        values,
        dtype=dtype,
        shape=tuple(shape),
        version=ops.VERSION,
    )
