"""pass: tokens that are settled leave before a block, and come back behind the last one.

Source: Liu et al., Dynamic Token-Pass Transformers for Semantic Segmentation (DoViT), 2024
(arXiv:2308.01944), section 3. There every token leaves of which an auxiliary head is surer than a
threshold; here as many leave in every image, those of which it is surest, so that all shapes are
static. With as many as the threshold would have chosen the result is the same. They stay what they
are: no block changes them any more, and the norm behind the last one and the head see all tokens.
The paper's second threshold, for tokens that are hopeless, is left out: few of them leave by it.

Without auxiliary heads, as in any other network, those leave that the block before changed least,
by the cosine of what they were in front of it and behind it (``by=change``). That is our own, and
what it costs a mask is not known before it is measured.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from segpp.errors import InputError, ReductionError
from segpp.export.reduction import REDUCTIONS
from segpp.export.reduction.base import TokenAssignment
from segpp.export.reduction.counts import CountedReduction
from segpp.export.reduction.sites import Side, Site
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

    from segpp.manifest import Architecture

__all__ = ["TokenPass"]

# Of which probability on tokens left, by the number of classes: on Cityscapes and on ADE20K.
_THRESHOLDS = {19: 0.985, 150: 0.96}


@REDUCTIONS.register("pass")
@dataclass(frozen=True)
class TokenPass(CountedReduction):
    """Some tokens take no part in a block and all behind it.

    Attributes:
        ratio: Share of the tokens that arrive which leave, in (0, 1); at least one does.
        count: How many leave, in place of the share; 0 goes by the share.
        by: ``confidence``, the largest probability by the auxiliary head before this block, or
            ``change``, the cosine of a token in front of the block before and behind it.
        cls: ``mean``, as published: where more than a tenth of the tokens left, the class token
            becomes the mean of itself and the mean of these; or ``same``.
    """

    name: ClassVar[str] = "pass"
    unusual: ClassVar[tuple[str, ...]] = ("count", "cls")
    sides: ClassVar[tuple[Side, ...]] = ("tokens",)
    is_by_threshold: ClassVar[bool] = True

    ratio: float = 0.3
    count: int = 0
    by: Literal["change", "confidence"] = "change"
    cls: Literal["mean", "same"] = "mean"

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise ReductionError(
                f"pass cannot let a share of {self.ratio:g} of the tokens leave",
                "ratio must lie between 0 and 1",
            )
        if self.count < 0:
            raise ReductionError(
                f"pass cannot let {self.count} tokens leave", "0 goes by the ratio"
            )
        self._check_word("by", self.by)
        self._check_word("cls", self.cls)

    def check_side(self, site: Site) -> None:
        """Raise ReductionError where no token can leave, or nothing tells which."""
        super().check_side(site)
        if site.stage == 1:
            raise ReductionError(
                f"pass cannot work at {site}", "no block before it tells which tokens are settled"
            )

    def check_fits(self, grid: Grid) -> None:
        """Raise ReductionError if no token would stay."""
        if grid.tokens < 2:  # noqa: PLR2004 - one leaves and one stays
            raise ReductionError(
                f"pass does not fit a grid of {grid} tokens", "there must be at least 2"
            )
        if self.count >= grid.tokens:
            raise ReductionError(
                f"pass cannot let {self.count} of {grid.tokens} tokens leave",
                "at least one stays",
            )

    def num_leaving(self, grid: Grid) -> int:
        """Return how many tokens of ``grid`` leave."""
        return self.count or max(1, int(grid.tokens * self.ratio))

    def tokens_out(self, grid: Grid) -> int:
        """Return how many tokens of ``grid`` stay."""
        return grid.tokens - self.num_leaving(grid)

    def compared_pairs(self, grid: Grid) -> int:
        """Return the tokens: each is compared with what it was, or its classes with each other."""
        return grid.tokens

    def compared_channels(self, channels: int) -> int:
        """Return how long the compared vectors are; what a head computes is counted with heads."""
        return channels if self.by == "change" else 1

    @property
    def leaves_by(self) -> str:
        """By what tokens leave."""
        return self.by

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:
        """Decide which tokens leave.

        Args:
            x: Of each token the logits (B, N, K); or its channels in front of the last block and
                behind it (B, N, 2 C).
            grid: N tokens.
        """
        # A board lists methods and counts tokens without torch.
        from segpp.export.custom_ops.window_choice import (  # noqa: PLC0415
            WindowSettings,
            rank,
        )
        from segpp.export.reduction.assignments.passed_tokens import PassedTokens  # noqa: PLC0415
        from segpp.export.reduction.assignments.window_means import window_means  # noqa: PLC0415

        settings = WindowSettings(grid, 1, self.num_leaving(grid))
        # A probability is off by as much as its logits, which grow beyond 1.
        scale = x.abs().amax().clamp(min=1) if self.by == "confidence" else None
        windows = window_means(rank(self._surety(x), settings, scale), settings)
        return PassedTokens.of(windows, x, tells_class=self.cls == "mean")

    @property
    def leaving(self) -> int:
        """One token leaves with each that is counted."""
        return 1

    def wanted(self, x: "Tensor", grid: Grid, *, threshold: float | None, block: int) -> "Tensor":
        """Return of how many tokens of each image one is surer than a threshold, (B,)."""
        del grid, block
        if threshold is None:
            raise RuntimeError("nothing says above which number tokens leave")
        return (self._surety(x) > threshold).sum(1)

    def published(self, architecture: "Architecture") -> float:
        """Return the published threshold.

        Raises:
            InputError: None is published for so many classes, or for this way to choose.
        """
        classes = architecture.classes
        if self.by == "confidence" and classes in _THRESHOLDS:
            return _THRESHOLDS[classes]
        of = f"{classes} classes" if self.by == "confidence" else f"pass:by={self.by}"
        raise InputError(
            f"no threshold is published of {of}",
            "counts are those of tokens that are surer than a threshold",
            hint="`threshold=0.97`",
        )

    def _surety(self, x: "Tensor") -> "Tensor":
        from segpp.export.reduction.matching.certainty import (  # noqa: PLC0415
            confidence,
            steadiness,
        )

        return confidence(x) if self.by == "confidence" else steadiness(x)
