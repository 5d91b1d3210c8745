"""Let PyTorch merge what a file merged, after judging that the file was right to.

Two sources can be equally similar to two destinations up to rounding; then two correct
computations merge different tokens, and everything behind differs by more than rounding. Given the
file's matches, the rest must agree to rounding; and each match is held to its contract: the chosen
destination is a most similar one and no source that stays is more similar than one that merges, up
to ``tie`` on a cosine.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from segpp.errors import CheckError
from segpp.export.custom_ops.torch_ops import MatchSettings, plain_match

__all__ = ["GivenMatches"]


class GivenMatches:
    """A matcher that returns recorded slots; use it with ``torch_ops.matching_by``.

    Args:
        recorded: Settings and slots (B, N) of every match node, in the file's order.
        tie: Cosines closer than this count as equal.

    Attributes:
        tokens: Tokens that took part so far.
        differing: Tokens to which PyTorch would have given another slot.
    """

    def __init__(self, recorded: Iterable[tuple[MatchSettings, Tensor]], tie: float) -> None:
        # Queries and keys of a block are matched in either order, but with equal settings only
        # when they are the same tokens.
        self._waiting: dict[MatchSettings, list[Tensor]] = defaultdict(list)
        for settings, slot in recorded:
            self._waiting[settings].append(slot)
        self._tie = tie
        self.tokens = 0
        self.differing = 0

    def __call__(self, x: Tensor, settings: MatchSettings) -> Tensor:
        """Return the file's slots for x (B, N, C).

        Raises:
            CheckError: They break the contract by more than a tie, or there are none.
        """
        waiting = self._waiting[settings]
        if not waiting:
            raise CheckError(f"the file has no match that PyTorch has: {settings}")
        slot = waiting.pop(0)
        own = plain_match(x, settings)
        self.tokens += slot.numel()
        self.differing += int((slot != own).sum())
        if not torch.equal(slot, own):
            for tokens, slots in zip(x.double(), slot.long(), strict=True):
                _judge(tokens, slots, settings, self._tie)
        return slot


def _judge(x: Tensor, slot: Tensor, settings: MatchSettings, tie: float) -> None:
    partition = settings.partition
    sources, destinations = (
        torch.from_numpy(partition.sources),
        torch.from_numpy(partition.destinations),
    )
    stays = len(sources) - settings.merged
    _check_layout(slot, sources, destinations, stays, settings)
    scores = _cosines(x[sources], x[destinations])
    if settings.window:
        scores = scores.masked_fill(~torch.from_numpy(partition.near(settings.window)), -torch.inf)
    best = scores.amax(1)
    merges = slot[sources] >= stays
    chosen = scores[merges].gather(1, (slot[sources][merges] - stays)[:, None])[:, 0]
    lost = (best[merges] - chosen).max().item() if settings.merged else 0.0
    if stays and settings.merged:
        lost = max(lost, (best[~merges].max() - best[merges].min()).item())
    if lost > tie:
        raise CheckError(
            f"the file merges tokens that are less similar than others by {lost:.2g}",
            f"a tie may differ by {tie:.2g} on a cosine",
        )


def _check_layout(
    slot: Tensor, sources: Tensor, destinations: Tensor, stays: int, settings: MatchSettings
) -> None:
    kept = slot[sources][slot[sources] < stays]
    in_raster_order = torch.equal(kept, torch.arange(stays))
    in_place = torch.equal(slot[destinations], stays + torch.arange(len(destinations)))
    if not (in_raster_order and in_place):
        raise CheckError(
            f"the file's slots on {settings.height}x{settings.width} tokens break their contract"
        )


def _cosines(a: Tensor, b: Tensor) -> Tensor:
    def unit(x: Tensor) -> Tensor:
        length = x.norm(dim=1, keepdim=True)
        return x / torch.where(length > 0, length, 1.0)

    return unit(a) @ unit(b).T
