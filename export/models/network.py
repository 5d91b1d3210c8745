"""What the export needs of a network in torch, whatever its family."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from segpp.export.models.layers import MergingAttention
from segpp.export.reduction.base import TokenReduction
from segpp.export.reduction.config import ReductionConfig
from segpp.export.reduction.gates.config import ChannelGates
from segpp.export.reduction.gates.places import Place
from segpp.export.reduction.grid_reduction import runs_of
from segpp.export.reduction.match_sharing import (
    MatchInterval,
    TokenMatcher,
    interval_at,
    lend_match,
    share_matches,
)
from segpp.export.reduction.query_match import QueryMatch, check_query_matches
from segpp.export.reduction.sites import Site
from segpp.manifest import Architecture

__all__ = ["MergingFfn", "Network"]

# The sides that merge inside an attention, whatever the network.
_ATTENTION = ("q", "kv")

_Network = TypeVar("_Network", bound="Network")


class MergingFfn(Protocol):
    """A feed-forward part whose tokens can be merged."""

    merging: TokenMatcher | None


class Network(nn.Module, ABC):
    """Normalised images (B, channels, H, W) to logits (B, K, h, w) of a size that H and W fix.

    Attributes:
        sites: Where tokens can be merged.
        fixed: What names begin with of weights that have no gradient, and are trained apart.
    """

    sites: tuple[Site, ...]
    fixed: tuple[str, ...] = ()

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture

    @abstractmethod
    def attentions(self, stage: int) -> Sequence[MergingAttention]:
        """Return the attention of every block of a stage, counted from 1."""

    def ffns(self, stage: int) -> Sequence[MergingFfn]:
        """Return the feed-forward part of every block of a stage, counted from 1.

        A network that can merge there overrides this.
        """
        raise NotImplementedError(f"nothing says which feed-forward parts stage {stage} has")

    def set_reduction(self, site: Site, reduction: TokenReduction | None) -> None:
        """Let a reduction work at a site that is in no block, or nothing.

        A network that has such sites overrides this.

        Raises:
            ReductionError: The reduction does not fit the network.
        """
        raise NotImplementedError(f"nothing says what {reduction} does at {site}")

    def emptied(self, gates: ChannelGates) -> frozenset[Place]:  # noqa: ARG002 - there is no place
        """Return the places where zeros tell all that fixed gates leave out, whatever the images.

        A network that has places for gates overrides this.
        """
        return frozenset()

    def stage_outputs(self, given: Sequence[Any]) -> list[Tensor]:
        """Return what stages gave, in the shapes that they have without a reduction.

        A network whose stages give more than a tensor, or fewer tokens, overrides this.

        Args:
            given: What each module of ``stages`` returned for the same images.
        """
        return list(given)

    def auxiliary_logits(self, stages: Sequence[Tensor], image: Tensor) -> list[Tensor]:  # noqa: ARG002 - of those that have such heads
        """Return what auxiliary heads inside the network give, (B, K, h, w) each; none usually.

        Args:
            stages: As ``stage_outputs`` returns them.
            image: What they were computed of.
        """
        return []

    def learned_logits(self, logits: Tensor) -> Tensor:
        """Return logits whose softmax is what the network says of a pixel; usually the very same.

        A network that gives something else, which has the same argmax, overrides this.

        Args:
            logits: As ``forward`` returns them, (B, K, h, w).
        """
        return logits

    def ease_learning(self: _Network) -> _Network:  # noqa: PYI019 - as below
        """Compute the same, rounding aside, with less work for gradients; returns ``self``.

        What has names in a checkpoint stays as it is. A network with such a form overrides this.
        """
        return self

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Return the logits of images."""

    def apply_reductions(  # noqa: PYI019 - typing has Self from Python 3.11 on
        self: _Network, config: ReductionConfig, *, match_interval: MatchInterval = 1
    ) -> _Network:
        """Use fewer tokens where ``config`` says, and at no other site; returns ``self``.

        Args:
            config: The reduction at each site; in blocks it works in every one of the site's
                stage.
            match_interval: What a block decides serves it and the next ``match_interval - 1``, in
                all stages or by stage, as long as they run on the same grid.

        Raises:
            ReductionError: A reduction does not fit the network.
        """
        check_query_matches(config)
        for site in self.sites:
            if site.side in _ATTENTION:
                self._merge_attention(site, config, interval_at(match_interval, site.stage))
            elif site.side == "ffn":
                self._merge_ffn(site, config, interval_at(match_interval, site.stage))
            else:
                self.set_reduction(site, config.get(site))
        return self

    def _merge_attention(self, site: Site, config: ReductionConfig, interval: int) -> None:
        attentions = self.attentions(site.stage)
        matchers = _matchers(site, config, len(attentions), interval)
        for attention, matcher in zip(attentions, matchers, strict=True):
            attention.set_merging(site.side, matcher)

    def _merge_ffn(self, site: Site, config: ReductionConfig, interval: int) -> None:
        reduction, ffns = config.get(site), self.ffns(site.stage)
        if reduction is not None:
            reduction.check_side(site)
        if isinstance(reduction, QueryMatch):
            self._lend_matches(site.stage)
            return
        matchers = _matchers(site, config, len(ffns), interval)
        for ffn, matcher in zip(ffns, matchers, strict=True):
            ffn.merging = matcher

    def _lend_matches(self, stage: int) -> None:
        """Let the feed-forward parts of a stage take over what its queries were assigned."""
        for attention, ffn in zip(self.attentions(stage), self.ffns(stage), strict=True):
            if attention.q_merging is None:
                raise RuntimeError(f"nothing merges the queries of stage {stage}")
            attention.q_merging, ffn.merging = lend_match(attention.q_merging)


def _matchers(
    site: Site, config: ReductionConfig, depth: int, interval: int
) -> list[TokenMatcher | None]:
    """Return what decides at a site in each of ``depth`` blocks; no match outlives a grid."""
    runs = runs_of(config.get(Site(site.stage, "grid")), depth)
    shared = (share_matches(config.get(site), blocks, interval) for _, blocks in runs)
    return [matcher for matchers in shared for matcher in matchers]
