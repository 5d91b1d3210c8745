"""Where a network can do with fewer channels, and how many it has there."""

from collections.abc import Collection
from typing import Literal, NamedTuple

from segpp.errors import ReductionError

__all__ = ["PARTS", "Channels", "Part", "Place", "names_place", "parse_place"]

Part = Literal["hidden", "qkv"]

PARTS: tuple[Part, ...] = ("hidden", "qkv")


class Place(NamedTuple):
    """One stage, counted from 1, and which channels of its blocks.

    ``hidden`` are those between the two linear layers of the feed-forward part. ``qkv`` are those
    of queries and keys, one set for both, and those of values, a set of their own.
    """

    stage: int
    part: Part

    def __str__(self) -> str:
        return f"{self.stage}.{self.part}"


class Channels(NamedTuple):
    """How many channels a place has in a block.

    Attributes:
        width: All of them.
        groups: Of each the same number stays: attention's heads; one for ``hidden``.
    """

    width: int
    groups: int


def names_place(text: str) -> bool:
    """Whether a site on the command line is one of channels, existing or not."""
    return text.rpartition(".")[2] in PARTS


def parse_place(text: str, places: Collection[Place]) -> Place:
    """Read ``STAGE.hidden`` or ``STAGE.qkv``.

    Args:
        text: As on the command line.
        places: Those that the network has.

    Raises:
        ReductionError: It has no such place.
    """
    by_name = {str(place): place for place in places}
    if text not in by_name:
        raise ReductionError(
            f"{text!r:.80} is no place for a channel gate",
            f"known: {', '.join(by_name) or 'none in this network'}",
        )
    return by_name[text]
