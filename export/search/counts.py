"""How many tokens merge in every image: what the published method would merge, over images.

Site by site, the first one first, since what merges there decides what arrives at the next. Counts
are rounded down to sequences of a multiple of eight tokens, which products of GPUs are made for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segpp.export.models.network import Network
from segpp.export.reduction.base import TokenAssignment, TokenReduction
from segpp.export.reduction.config import ReductionConfig
from segpp.export.reduction.counts import CountedReduction
from segpp.export.reduction.sites import Site
from segpp.ops.grid import Grid

__all__ = ["FoundCount", "found_note", "rounded", "search_counts"]

# Gives one image (1, C, H, W), normalised.
Draw = Callable[[], NDArray[np.float32]]

_MULTIPLE = 8


@dataclass(frozen=True)
class FoundCount:
    """What was found for a site.

    Attributes:
        site: Where.
        count: How many merge in every image.
        wanted: How many the published method would have merged in each.
    """

    site: Site
    count: int
    wanted: tuple[int, ...]

    @property
    def merging_less(self) -> int:
        """How many images would have merged less."""
        return sum(one < self.count for one in self.wanted)


def search_counts(
    model: Network,
    reduction: ReductionConfig,
    images: Sequence[Draw],
    *,
    quantile: float,
    thresholds: Mapping[Site, float],
    prefix: int = 0,
) -> tuple[ReductionConfig, tuple[FoundCount, ...]]:
    """Return the reduction with counts where it had shares, and what they were found from.

    Args:
        model: The network, whose reductions are set.
        reduction: At each site.
        images: Each weighs the same.
        quantile: Of the counts of the images, 0 to 1.
        thresholds: At each site whose method goes by one.
        prefix: How many tokens stand before the patches.

    Raises:
        ImageError: An image cannot be read.
        ReductionError: A reduction does not fit the network.
    """
    chosen, found = dict(reduction), list[FoundCount]()
    for site in model.sites:
        method = chosen.get(site)
        if isinstance(method, CountedReduction) and not method.count:
            watch = _Watch(method, thresholds.get(site), site.stage)
            _run(model, {**chosen, site: watch}, images)
            most = max(1, int(np.quantile(watch.seen, quantile, method="lower")))
            count = rounded(most, prefix + watch.tokens, method.leaving)
            chosen[site] = replace(method, count=count)  # type: ignore[type-var]  # they are dataclasses
            found.append(FoundCount(site, count, tuple(watch.seen)))
    model.apply_reductions(chosen)
    return chosen, tuple(found)


def found_note(found: Sequence[FoundCount]) -> str | None:
    """Return one sentence on what was found; None where nothing was to be."""
    if not found:
        return None
    images = len(found[0].wanted)
    each = ", ".join(
        f"{one.count} at {one.site} ({min(one.wanted)} to {max(one.wanted)}, "
        f"{one.merging_less} would have merged less)"
        for one in found
    )
    return f"counts were found on {images} image(s): {each}"


def rounded(count: int, tokens: int, leaving: int) -> int:
    """Return the largest count up to ``count`` that leaves a multiple of eight of ``tokens``.

    Where there is none above 0 the count stays.
    """
    fitting = (n for n in range(count, 0, -1) if (tokens - n * leaving) % _MULTIPLE == 0)
    return next(fitting, count)


class _Watch(TokenReduction):
    """Merges as a method does, and notes what the published one would have merged."""

    name = "watch"

    def __init__(self, method: CountedReduction, threshold: float | None, block: int) -> None:
        self._method, self._threshold, self._block = method, threshold, block
        self.seen: list[int] = []
        self.tokens = 0

    @property
    def leaves_by(self) -> str | None:
        """By what tokens leave, if any do."""
        return self._method.leaves_by

    def check_side(self, site: Site) -> None:
        """Raise ReductionError if the method cannot work there."""
        self._method.check_side(site)

    def check_fits(self, grid: Grid) -> None:
        """Raise ReductionError if the method does not fit."""
        self._method.check_fits(grid)

    def tokens_out(self, grid: Grid) -> int:
        """Return how many tokens the method leaves."""
        return self._method.tokens_out(grid)

    def match(self, x: Tensor, grid: Grid) -> TokenAssignment:
        """Note, and match the tokens x (B, N, C)."""
        self.tokens = grid.tokens
        wanted = self._method.wanted(x, grid, threshold=self._threshold, block=self._block)
        self.seen += wanted.tolist()
        return self._method.match(x, grid)


def _run(model: Network, reduction: ReductionConfig, images: Sequence[Draw]) -> None:
    model.apply_reductions(reduction)
    with torch.inference_mode():
        for draw in images:
            model(torch.from_numpy(draw()))
