"""What the export needs of a network in torch, whatever its family."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, TypeVar

from torch import Tensor, nn

from segpp.export.models.layers import MergingAttention
from segpp.export.reduction.config import ReductionConfig
from segpp.export.reduction.match_sharing import MatchInterval, interval_at, share_matches
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture

__all__ = ["Network"]

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

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Return the logits of images."""

    def apply_reductions(  # noqa: PYI019 - typing has Self from Python 3.11 on
        self: _Network, config: ReductionConfig, *, match_interval: MatchInterval = 1
    ) -> _Network:
        """Merge tokens as ``config`` says, and at no other site; returns ``self``.

        Args:
            config: The reduction at each site; it works in every block of the site's stage.
            match_interval: What a block decides serves it and the next ``match_interval - 1``, in
                all stages or by stage.
        """
        for site in self.sites:
            attentions = self.attentions(site.stage)
            interval = interval_at(match_interval, site.stage)
            matchers = share_matches(config.get(site), len(attentions), interval)
            for attention, matcher in zip(attentions, matchers, strict=True):
                attention.set_merging(site.side, matcher)
        return self
