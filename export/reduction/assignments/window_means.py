"""Windows that become one token each, and tokens that stay as they are: by clap, and by sharing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from segpp.export.custom_ops import torch_ops
from segpp.export.custom_ops.window_choice import WindowSettings
from segpp.export.reduction.assignments.running_sums import sums_so_far

__all__ = ["WindowMeans", "window_means", "windows_of"]


@dataclass(frozen=True)
class WindowMeans:
    """The windows that merge, and all other tokens in raster order.

    Attributes:
        settings: Which windows, and whether they come first or last.
        order: Number of each window that merges (B, R) INT32.
        rest: Number of each token that stays (B, S) INT32.
        slot: Where each token goes, (B, N) INT32.
    """

    settings: WindowSettings
    order: Tensor
    rest: Tensor
    slot: Tensor

    def merge(self, x: Tensor) -> Tensor:
        """Return tokens (B, N, C) as (B, R + S, C)."""
        return self.select(windows_of(x, self.settings).mean(2), x)

    def select(self, windows: Tensor, x: Tensor) -> Tensor:
        """Return those that merge of windows (B, W, C), and those that stay of tokens (B, N, C)."""
        return self._one_line(
            torch_ops.unmerge(windows, self.order), torch_ops.unmerge(x, self.rest)
        )

    def unmerge(self, y: Tensor) -> Tensor:
        """Give every token the row of its slot, y (B, R + S, C) to (B, N, C)."""
        return torch_ops.unmerge(y, self.slot)

    def averaged(self, x: Tensor) -> Tensor:
        """Return what merging does: means."""
        return self.merge(x)

    def members(self) -> Tensor:
        """Return how many tokens each slot has, (1, R + S, 1)."""
        window = self.slot.new_full((1, self.order.shape[1], 1), self.settings.side**2)
        return self._one_line(window, self.slot.new_ones((1, self.rest.shape[1], 1)))

    def _one_line(self, windows: Tensor, tokens: Tensor) -> Tensor:
        return torch.cat((tokens, windows) if self.settings.are_last else (windows, tokens), 1)


def windows_of(x: Tensor, settings: WindowSettings) -> Tensor:
    """Return tokens (B, N, C) by windows (B, W, side * side, C), both in raster order."""
    grid, windows, side = settings.grid, settings.windows, settings.side
    image = x.reshape(x.shape[0], grid.height, grid.width, x.shape[2])
    # A slice of all of it would be a node that does nothing.
    if grid.height % side or grid.width % side:
        image = image[:, : windows.height * side, : windows.width * side]
    cells = image.reshape(x.shape[0], windows.height, side, windows.width, side, x.shape[2])
    return cells.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def window_means(ranks: Tensor, settings: WindowSettings) -> WindowMeans:
    """Return what merges, given how many windows go before each: ranks (B, W), permutations."""
    merged, count, left = settings.merged, settings.windows.tokens, settings.left
    ranks = _ranks_in_raster_order(ranks, merged) if settings.are_last else ranks
    windows_from, tokens_from = (left, 0) if settings.are_last else (0, merged)
    # 1. The rank of every token's window, (B, N); beside the windows one that never merges.
    of_token = ranks
    if settings.side > 1:
        beside = ranks.new_full((len(ranks), 1), count)
        of_token = torch.cat((ranks, beside), 1).index_select(1, _window_of(settings, ranks.device))
    stays = of_token >= merged
    # 2. Where a token goes: behind or before the windows, those that stay in raster order.
    stayed = sums_so_far(stays.int())
    slot = torch.where(stays, tokens_from - 1 + stayed, windows_from + of_token).int()
    # 3. The other way round. Tokens that merge have places behind all that stay, to be different.
    number = torch.arange(slot.shape[1], device=slot.device)
    place = torch.where(stays, stayed - 1, left + number - stayed)
    order, rest = _inverse(ranks)[:, :merged], _inverse(place)[:, :left]
    return WindowMeans(settings, order.int(), rest.int(), slot)


def _ranks_in_raster_order(ranks: Tensor, merged: int) -> Tensor:
    """Return ranks (B, W) of which the first ``merged`` are the same windows, in raster order."""
    chosen = ranks < merged
    before = sums_so_far(chosen.int())
    number = torch.arange(ranks.shape[1], device=ranks.device)
    return torch.where(chosen, before - 1, merged + number - before)


def _window_of(settings: WindowSettings, device: torch.device) -> Tensor:
    """Return the window of every token (N,), or their number for tokens beside all of them."""
    grid, windows, side = settings.grid, settings.windows, settings.side
    row = torch.arange(grid.height, device=device)[:, None] // side
    column = torch.arange(grid.width, device=device) // side
    inside = (row < windows.height).logical_and(column < windows.width)
    return torch.where(inside, row * windows.width + column, windows.tokens).flatten()


def _inverse(places: Tensor) -> Tensor:
    """Return which one has each place: the inverse of permutations (B, L)."""
    number = torch.arange(places.shape[1], device=places.device)
    places = places.long()
    return torch.zeros_like(places).scatter(1, places, number.expand(places.shape))
