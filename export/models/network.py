"""What the export needs of a network in torch, whatever its family."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, TypeVar

from torch import Tensor, nn

from segpp.export.models.layers import MergingAttention
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.config import ReductionConfig
from segpp.export.reduction.grid_reduction import runs_of
from segpp.export.reduction.match_sharing import MatchInterval, interval_at, share_matches
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture

__all__ = ["Network"]

# The sides that merge inside an attention, whatever the network.
_ATTENTION = ("q", "kv")

_Network = TypeVar("_Network", bound="Network")


class Network(nn.Module, ABC):
    """Normalised images (B, channels, H, W) to logits (B, K, h, w) of a size that H and W fix.

    Attributes:
        sites: Where tokens can be merged.
    """

    sites: ClassVar[tuple[Site, ...]]

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture

    @abstractmethod
    def attentions(self, stage: int) -> Sequence[MergingAttention]:
        """Return the attention of every block of a stage, counted from 1."""

    def set_reduction(self, site: Site, reduction: TokenReduction | None) -> None:
        """Let a reduction work at a site that is none of an attention, or nothing.

        A network that has such sites overrides this.

        Raises:
            ReductionError: The reduction does not fit the network.
        """
        raise NotImplementedError(f"nothing says what {reduction} does at {site}")

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Return the logits of images."""

    def apply_reductions(  # noqa: PYI019 - typing has Self from Python 3.11 on
        self: _Network, config: ReductionConfig, *, match_interval: MatchInterval = 1
    ) -> _Network:
        """Use fewer tokens where ``config`` says, and at no other site; returns ``self``.

        Args:
            config: The reduction at each site; in an attention it works in every block of the
                site's stage.
            match_interval: What a block decides serves it and the next ``match_interval - 1``, in
                all stages or by stage, as long as they run on the same grid.

        Raises:
            ReductionError: A reduction does not fit the network.
        """
        for site in self.sites:
            if site.side in _ATTENTION:
                self._merge_attention(site, config, interval_at(match_interval, site.stage))
            else:
                self.set_reduction(site, config.get(site))
        return self

    def _merge_attention(self, site: Site, config: ReductionConfig, interval: int) -> None:
        attentions = self.attentions(site.stage)
        runs = runs_of(config.get(Site(site.stage, "grid")), len(attentions))
        matchers = [
            matcher
            for _, blocks in runs
            for matcher in share_matches(config.get(site), blocks, interval)
        ]
        for attention, matcher in zip(attentions, matchers, strict=True):
            attention.set_merging(site.side, matcher)
