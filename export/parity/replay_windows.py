"""Let PyTorch merge those windows that a file merged, after judging that the file was right to.

Two windows can be equally alike up to rounding; then two correct computations merge them in another
order, or one of them and not the other. Of tokens that leave the same is true: they are windows of
one.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from segpp.errors import CheckError
from segpp.export.custom_ops.window_choice import WindowSettings, plain_ranks
from segpp.export.reduction.assignments.window_means import window_means, windows_of

__all__ = ["WindowReplay"]


class WindowReplay:
    """A ranker that returns recorded ranks; use it with ``window_choice.ranking_by``.

    Args:
        recorded: Slots (B, N) by which a file unmerges, of no match, in its order.
        tie: Similarities closer than this count as equal.

    Attributes:
        differing: Windows that merge in one of both and have another rank there.
    """

    def __init__(self, recorded: Iterable[Tensor], tie: float) -> None:
        self._waiting = list(recorded)
        self._tie = tie
        self.differing = 0

    def __call__(
        self, scores: Tensor, settings: WindowSettings, scale: Tensor | None = None
    ) -> Tensor:
        """Return the file's ranks (B, W) for similarities (B, W).

        Args:
            scores: The similarities.
            settings: Which windows.
            scale: How much larger a tie may be than of a cosine.

        Raises:
            CheckError: The file has none, or merges a window that is less alike than another by
                more than a tie; or a similarity is no number, so that nothing decides.
        """
        if not bool(scores.isfinite().all()):
            raise CheckError(
                f"what merges of {settings.grid} tokens is decided by NaN or infinity",
                hint="weights that decide may be too large: give an earlier checkpoint",
            )
        own = plain_ranks(scores, settings)
        ranks = self._next(own, settings)
        merges = (ranks < settings.merged) | (own < settings.merged)
        self.differing += int(((ranks != own) & merges).sum())
        # A cosine is at most 1; other scores are rounded relative to the largest.
        tie = self._tie * max(1.0, float(scores.abs().max()))
        tie *= 1.0 if scale is None else float(scale)
        ordered = torch.zeros_like(scores).scatter(1, ranks, scores)
        chosen, left = ordered[:, : settings.merged], ordered[:, settings.merged :]
        # 1. The most similar goes first. 2. None that stays is more similar than the last.
        lost = [(chosen[:, 1:] - chosen[:, :-1]).flatten(), torch.zeros(1)]
        lost.append((left - chosen[:, -1:]).flatten())
        if (most := float(torch.cat(lost).max())) > tie:
            raise _wrong(settings, most, tie)
        return ranks

    def _next(self, own: Tensor, settings: WindowSettings) -> Tensor:
        """Return the ranks of the first slots that are of such windows."""
        for number, slot in enumerate(self._waiting):
            ranks = _ranks(slot.long(), own, settings)
            if ranks is not None:
                self._waiting.pop(number)
                return ranks
        if settings.side == 1:
            raise CheckError(
                f"the file does not let {settings.merged} of {settings.grid} tokens leave",
                "the others stay in their order",
            )
        raise CheckError(
            f"the file does not merge {settings.merged} windows of {settings.grid} tokens",
            "each becomes a token of its own, and the others stay in their order",
        )


def _wrong(settings: WindowSettings, most: float, tie: float) -> CheckError:
    if settings.side == 1:
        return CheckError(
            f"the file lets tokens leave that are less sure than others by {most:.2g}",
            f"a tie may differ by {tie:.2g}",
        )
    return CheckError(
        f"the file merges windows that are less alike than others by {most:.2g}",
        f"a tie may differ by {tie:.2g} on a cosine",
    )


def _ranks(slot: Tensor, own: Tensor, settings: WindowSettings) -> Tensor | None:
    """Return the rank of every window (B, W), those that stay in PyTorch's order.

    None where the slots (B, N) are not of such windows.
    """
    if slot.shape[1] != settings.grid.tokens:
        return None
    members = windows_of(slot[:, :, None], settings)[..., 0]
    numbers = members[:, :, 0] - (settings.left if settings.are_last else 0)
    merges = (members == members[:, :, :1]).all(2) & (numbers >= 0) & (numbers < settings.merged)
    # Windows in raster order do not tell how they were ranked among themselves.
    numbers = (numbers * (not settings.are_last)).masked_fill(~merges, settings.merged)
    # Behind all that merge, the others as they are.
    order = (numbers * own.shape[1] + own).argsort(1)
    number = torch.arange(own.shape[1], device=own.device)
    ranks = torch.zeros_like(own).scatter(1, order, number.expand(own.shape))
    return ranks if torch.equal(window_means(ranks, settings).slot.long(), slot) else None
