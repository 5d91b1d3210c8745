"""Methods whose published form lets each image decide how many tokens merge, with a fixed count."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from segpp.errors import InputError
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.sites import Site
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

    from segpp.manifest import Architecture

__all__ = [
    "CountChoice",
    "CountedReduction",
    "check_counted",
    "needs_threshold",
    "published_thresholds",
]


@dataclass(frozen=True)
class CountChoice:
    """How counts are found on images.

    Attributes:
        images: Files and folders; without any, counts are shares.
        quantile: Of the counts that the images would have had, the one that all have: so large a
            share of them would have merged less.
        threshold: The cosine above which windows merge, or the number above which tokens leave, in
            place of the published one.
    """

    images: tuple[Path, ...] = ()
    quantile: float = 0.5
    threshold: float | None = None


class CountedReduction(TokenReduction):
    """A method that merges a share of the tokens, or a count found on images.

    Attributes:
        count: How many merge, of whatever it counts; 0 goes by the share.
        is_by_threshold: Whether the published method goes by a number that is set by hand.
    """

    is_by_threshold: ClassVar[bool] = False

    count: int

    @property
    def serves_blocks(self) -> bool:
        """False: what leaves the sequence is matched once."""
        return False

    @property
    @abstractmethod
    def leaving(self) -> int:
        """How many tokens leave with each that is counted."""

    @abstractmethod
    def wanted(self, x: "Tensor", grid: Grid, *, threshold: float | None, block: int) -> "Tensor":
        """Return how many the published method would merge in each image, (B,).

        Args:
            x: Tokens (B, N, C).
            grid: Of them.
            threshold: A cosine or a probability, where the method goes by one.
            block: Where it works, counted from 1.
        """

    def published(self, architecture: "Architecture") -> float | None:
        """Return the threshold that is published for a network; None where it goes by none.

        Raises:
            InputError: None is published of such a network.
        """
        del architecture
        return None


def check_counted(choice: CountChoice, reduction: Mapping[Site, TokenReduction]) -> None:
    """Raise InputError where counts are asked for that nothing has, or by no possible number."""
    if not 0 <= choice.quantile <= 1:
        raise InputError(
            f"`quantile={choice.quantile:g}`",
            "a quantile lies between 0 and 1; by 0.1 a tenth of the images would have merged less",
        )
    if choice.threshold is not None and not -1 <= choice.threshold <= 1:
        raise InputError(
            f"`threshold={choice.threshold:g}`", "a cosine or a probability lies between -1 and 1"
        )
    is_counted = any(_is_open(method) for method in reduction.values())
    if choice.images and not is_counted:
        raise InputError(
            "`calibrate` finds counts, and nothing that merges has any to find",
            hint="`preset=algm`, or `reduce=1.tokens=clap` without a count",
        )
    if choice.images and choice.threshold is not None and not needs_threshold(reduction):
        raise InputError(
            f"`threshold={choice.threshold:g}` is of windows and tokens that leave, and none has a "
            "count to be found",
            hint="`preset=algm`, or `reduce=1.tokens=clap` without a count",
        )
    if not choice.images and choice != CountChoice():
        raise InputError(
            "`quantile` and `threshold` go with `calibrate`, the images that counts are found on"
        )


def needs_threshold(reduction: Mapping[Site, TokenReduction]) -> bool:
    """Return whether a count is to be found by a threshold."""
    return bool(_by_threshold(reduction))


def published_thresholds(
    reduction: Mapping[Site, TokenReduction], architecture: "Architecture"
) -> dict[Site, float]:
    """Return the published thresholds by which counts are to be found.

    Raises:
        InputError: For one of them none is published of such a network.
    """
    found = {site: m.published(architecture) for site, m in _by_threshold(reduction).items()}
    return {site: threshold for site, threshold in found.items() if threshold is not None}


def _by_threshold(reduction: Mapping[Site, TokenReduction]) -> dict[Site, CountedReduction]:
    return {
        site: method
        for site, method in reduction.items()
        if isinstance(method, CountedReduction) and _is_open(method) and method.is_by_threshold
    }


def _is_open(method: TokenReduction) -> bool:
    return isinstance(method, CountedReduction) and not method.count
