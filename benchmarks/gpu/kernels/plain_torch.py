"""What a user of PyTorch has without our kernels: the same operators from PyTorch's own."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from segpp.errors import CheckError
from segpp.export.custom_ops.torch_ops import MatchSettings
from segpp.export.reduction.methods.bsm import BipartiteSoftMatching
from segpp.ops.grid import Grid

__all__ = [
    "TorchMatching",
    "match_by_topk",
    "merge_by_index_add",
    "merge_by_scatter_reduce",
    "resize_argmax",
    "similarities",
    "unmerge_by_gather",
]


@dataclass(frozen=True)
class _Indices:
    sources: Tensor
    destinations: Tensor
    # Where each token of the grid stands among sources and destinations, one behind the other.
    places: Tensor


def similarities(x: Tensor, settings: MatchSettings) -> Tensor:
    """Return the cosines (B, S, D) of sources and destinations, in the type of x."""
    indices = _indices(settings, x.device)
    unit = F.normalize(x, dim=2)
    sources, destinations = unit[:, indices.sources], unit[:, indices.destinations]
    return torch.bmm(sources, destinations.transpose(1, 2))


def match_by_topk(x: Tensor, settings: MatchSettings) -> Tensor:
    """Assign each token a slot as our operator numbers them; ties fall as topk lets them."""
    if settings.window:
        raise CheckError("matching with topk has no window")
    indices = _indices(settings, x.device)
    score, best = similarities(x, settings).max(2)
    chosen = score.topk(settings.merged, dim=1, sorted=False).indices
    merges = torch.zeros_like(best).scatter_(1, chosen, 1)
    kept = len(indices.sources) - settings.merged
    slots = torch.where(merges > 0, best + kept, torch.cumsum(1 - merges, 1) - 1)
    own = kept + torch.arange(len(indices.destinations), device=x.device)
    joined = torch.cat([slots, own.expand(x.shape[0], -1)], 1)
    return joined[:, indices.places].int()


def merge_by_scatter_reduce(x: Tensor, slot: Tensor, slots: int) -> Tensor:
    """Average the rows that share a slot, in the type of x."""
    index = slot.long()[:, :, None].expand(x.shape)
    empty = x.new_zeros(x.shape[0], slots, x.shape[2])
    return empty.scatter_reduce(1, index, x, "mean", include_self=False)


def merge_by_index_add(x: Tensor, slot: Tensor, slots: int) -> Tensor:
    """Average the rows that share a slot, with sums in FP32."""
    images, _, channels = x.shape
    offsets = slots * torch.arange(images, device=x.device)[:, None]
    rows = (slot + offsets).flatten()
    total = torch.zeros(images * slots, channels, device=x.device)
    total.index_add_(0, rows, x.flatten(0, 1).float())
    count = torch.zeros(images * slots, device=x.device)
    count.index_add_(0, rows, torch.ones(len(rows), device=x.device))
    mean = total / count.clamp(min=1)[:, None]
    return mean.to(x.dtype).reshape(images, slots, channels)


def unmerge_by_gather(y: Tensor, slot: Tensor) -> Tensor:
    """Give every token the row of its slot."""
    return y.gather(1, slot.long()[:, :, None].expand(-1, -1, y.shape[2]))


def resize_argmax(logits: Tensor, height: int, width: int) -> Tensor:
    """Return the best class of the resized logits (B, K, h, w), in their type, as INT64."""
    pixels = F.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
    return pixels.argmax(1)


@dataclass(frozen=True)
class TorchMatching(BipartiteSoftMatching):
    """bsm from PyTorch's operators."""

    def match(self, x: Tensor, grid: Grid) -> "_Matched":
        """Match the tokens x (B, N, C)."""
        merged = self.num_merged(grid)
        settings = MatchSettings(grid.height, grid.width, self.sy, self.sx, merged, self.window)
        return _Matched(match_by_topk(x, settings), self.tokens_out(grid))


@dataclass(frozen=True)
class _Matched:
    slot: Tensor
    slots: int

    def merge(self, x: Tensor) -> Tensor:
        return merge_by_scatter_reduce(x, self.slot, self.slots)

    def unmerge(self, y: Tensor) -> Tensor:
        return unmerge_by_gather(y, self.slot)


@cache
def _indices(settings: MatchSettings, device: torch.device) -> _Indices:
    partition = settings.partition
    sources, destinations = (
        torch.from_numpy(found).to(device) for found in (partition.sources, partition.destinations)
    )
    return _Indices(sources, destinations, torch.cat([sources, destinations]).argsort())
