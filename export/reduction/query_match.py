"""What merges in a feed-forward part by the match of the same block's queries.

The queries are the normed input of the attention, the feed-forward part has the normed sum of that
and what the attention added: what is alike before is alike behind, and a second match is saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from segpp.errors import ReductionError
from segpp.export.reduction.base import TokenAssignment, TokenReduction
from segpp.export.reduction.sites import Side, Site
from segpp.ops.grid import Grid

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["QUERIES", "QueryMatch", "check_query_matches", "query_match"]

# What the command line calls it: ``3.ffn=q``.
QUERIES: Final = "q"


@dataclass(frozen=True)
class QueryMatch(TokenReduction):
    """The assignment that the queries of the same block got; it decides nothing itself.

    Attributes:
        of: What merges the queries.
    """

    sides: ClassVar[tuple[Side, ...]] = ("ffn",)
    is_content_based: ClassVar[bool] = False

    of: TokenReduction

    @property
    def name(self) -> str:  # type: ignore[override]  # of an instance, not of the class
        """What the method of the queries is called."""
        return self.of.name

    def check_fits(self, grid: Grid) -> None:
        """Raise ReductionError if the queries' settings cannot work on ``grid``."""
        self.of.check_fits(grid)

    def tokens_out(self, grid: Grid) -> int:
        """Return how many tokens are left, as many as queries are."""
        return self.of.tokens_out(grid)

    def compared_pairs(self, grid: Grid) -> int:
        """Return how many pairs the match compares that is taken over."""
        return self.of.compared_pairs(grid)

    def compared_channels(self, channels: int) -> int:
        """Return how long the vectors are that it compares."""
        return self.of.compared_channels(channels)

    def destinations(self, grid: Grid) -> int:
        """Return how many tokens others merge into, as the queries do."""
        return self.of.destinations(grid)

    def match(self, x: "Tensor", grid: Grid) -> TokenAssignment:
        """Raise RuntimeError: a network lends the match of the queries instead."""
        raise RuntimeError(f"tokens {tuple(x.shape)} on {grid} are matched by their queries")

    def to_string(self) -> str:
        """Return ``q``, which ``--reduce`` reads back."""
        return QUERIES


def query_match(site: Site, config: Mapping[Site, TokenReduction]) -> QueryMatch:
    """Return what merges at the site of a feed-forward part like the queries of its stage.

    Raises:
        ReductionError: Nothing merges them, or the site is another one.
    """
    queries = Site(site.stage, QUERIES)
    if site.side != "ffn":
        raise ReductionError(
            f"{site} cannot merge as queries do", "the match of q serves the side ffn only"
        )
    if queries not in config:
        raise ReductionError(
            f"{site}=q needs what merges the queries of stage {site.stage}, and nothing does",
            hint=f"add for example {queries}=bsm:ratio=0.5, or give {site} a method of its own",
        )
    return QueryMatch(config[queries])


def check_query_matches(config: Mapping[Site, TokenReduction]) -> None:
    """Raise ReductionError if a feed-forward part is to merge as queries that merge otherwise."""
    for site, reduction in config.items():
        if isinstance(reduction, QueryMatch) and query_match(site, config) != reduction:
            raise ReductionError(
                f"{site} merges as {reduction.of.to_string()}, and its queries do not",
                hint=f"{site}=q merges as they do",
            )
