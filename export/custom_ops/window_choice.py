"""Which windows of a grid merge, and in which order, as each image decides: a seam for a replay."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

from segpp.ops.grid import Grid

__all__ = ["WindowSettings", "plain_ranks", "rank", "ranking_by"]


@dataclass(frozen=True)
class WindowSettings:
    """Windows of ``side`` x ``side`` tokens.

    Those of a single token leave where others merge.

    Attributes:
        grid: Of all tokens; what is left beside complete windows is in none.
        side: Tokens along a window.
        merged: How many windows merge.
        are_last: Whether they stand behind all other tokens, in raster order; else before these,
            in the order of their ranks.
    """

    grid: Grid
    side: int
    merged: int
    are_last: bool = False

    @property
    def windows(self) -> Grid:
        """Rows and columns of complete windows."""
        return Grid(self.grid.height // self.side, self.grid.width // self.side)

    @property
    def left(self) -> int:
        """How many tokens stay as they are."""
        return self.grid.tokens - self.merged * self.side**2


# From scores (B, W) of all windows to the place of each (B, W), the highest score first; a number
# tells how much more than a cosine's a score's rounding is.
Ranker = Callable[[Tensor, WindowSettings, Tensor | None], Tensor]


def rank(scores: Tensor, settings: WindowSettings, scale: Tensor | None = None) -> Tensor:
    """Return how many windows go before each, (B, W) INT64: a permutation.

    Args:
        scores: Of W windows, (B, W); of equals the first in raster order goes before.
        settings: Which windows.
        scale: How much more a score may be off by rounding than a cosine; not at all if None.
    """
    if torch.compiler.is_exporting():
        return plain_ranks(scores, settings)
    return _ranker.get()(scores, settings, scale)


@contextmanager
def ranking_by(ranker: Ranker) -> Iterator[None]:
    """Let ``ranker`` decide inside the block, in place of ``plain_ranks``."""
    token = _ranker.set(ranker)
    try:
        yield
    finally:
        _ranker.reset(token)


def plain_ranks(scores: Tensor, settings: WindowSettings, scale: Tensor | None = None) -> Tensor:
    """Count them: no two engines sort equals alike, but all of them compare."""
    del settings, scale
    # What is no number goes behind all cosines, so that ranks are a permutation whatever comes.
    scores = torch.where(scores == scores, scores, -2.0)  # noqa: PLR0124 - true of numbers alone
    number = torch.arange(scores.shape[1], device=scores.device)
    other, own = scores[:, None, :], scores[:, :, None]
    first = (other == own).logical_and(number < number[:, None])
    before = (other > own).logical_or(first)
    return before.int().sum(2)


_ranker: ContextVar[Ranker] = ContextVar("ranker", default=plain_ranks)
