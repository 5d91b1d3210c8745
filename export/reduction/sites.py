"""Where a network can do with fewer tokens: in the blocks of a stage, or its whole grid."""

import re
from collections.abc import Collection
from typing import Literal, NamedTuple

from segpp.errors import ReductionError

__all__ = ["HEAD", "Side", "Site", "parse_site", "parse_sites"]

Side = Literal["q", "kv", "ffn", "grid", "tokens"]

# The decode head, where a stage is asked for; the manifest has this number too.
HEAD = 0
_HEAD_NAME = "head"


class Site(NamedTuple):
    """One stage, counted from 1, or the decode head (``HEAD``), and what of it is made smaller.

    ``q`` merges the tokens that go into the attention and unmerges what comes out; ``kv`` merges
    the tokens that keys and values are made of, and is never undone. ``ffn`` merges the tokens of
    the feed-forward part's linear layers. ``grid`` runs blocks, or the head, on a smaller grid of
    tokens. ``tokens`` merges them for all that follows, up to the logits.
    """

    stage: int
    side: Side

    def __str__(self) -> str:
        return f"{_HEAD_NAME if self.stage == HEAD else self.stage}.{self.side}"

    @property
    def place(self) -> str:
        """The site in a sentence: ``stage 3, q``."""
        return f"{_HEAD_NAME if self.stage == HEAD else f'stage {self.stage}'}, {self.side}"


def parse_site(text: str, sites: Collection[Site]) -> Site:
    """Read ``STAGE.SIDE`` or ``head.grid``.

    Args:
        sites: Those that the network has.

    Raises:
        ReductionError: The network has no such stage or side.
    """
    known = ", ".join(map(str, sites))
    parts = re.fullmatch(rf"([1-9]\d*|0|{_HEAD_NAME})\.(\w+)", text)
    if not parts:
        raise ReductionError(f"{text!r} is not a merge site", f"known: {known}")
    by_name = {str(site): site for site in sites}
    if text in by_name:
        return by_name[text]
    stage, side = parts[1], parts[2]
    has_stage = any(name.startswith(f"{stage}.") for name in by_name)
    where = stage if stage == _HEAD_NAME else f"stage {stage}"
    missing = f"side {side!r}" if has_stage else where
    raise ReductionError(f"{text!r} names {missing}, which does not exist", f"known: {known}")


def parse_sites(text: str, sites: Collection[Site]) -> tuple[Site, ...]:
    """Read a site, or those of several stages: ``3-12.q`` are ``3.q`` to ``12.q``.

    Args:
        sites: Those that the network has.

    Raises:
        ReductionError: The network has no such stage or side, or the stages are none.
    """
    parts = re.fullmatch(r"([1-9]\d{0,3})-([1-9]\d{0,3})\.(\w+)", text)
    if not parts:
        return (parse_site(text, sites),)
    first, last = int(parts[1]), int(parts[2])
    if first > last:
        raise ReductionError(
            f"{text!r} ends before it begins", hint=f"{last}-{first}.{parts[3]} is from {last} on"
        )
    return tuple(parse_site(f"{stage}.{parts[3]}", sites) for stage in range(first, last + 1))
