"""Where a network can do with fewer tokens: in the blocks of a stage, or its whole grid."""

import re
from collections.abc import Collection
from typing import Literal, NamedTuple

from segpp.errors import ReductionError, UnknownNameError

__all__ = ["EMBED", "HEAD", "Side", "Site", "expand_stages", "parse_site", "parse_sites"]

Side = Literal["q", "kv", "ffn", "grid", "tokens", "patches"]

# The decode head and the patch embedding, where a stage is asked for; the manifest has these
# numbers too.
HEAD, EMBED = 0, -1
_NAMES = {HEAD: "head", EMBED: "embed"}


class Site(NamedTuple):
    """One stage, counted from 1, ``HEAD`` or ``EMBED``, and what of it is made smaller.

    ``q`` merges the tokens that go into the attention and unmerges what comes out; ``kv`` merges
    the tokens that keys and values are made of, and is never undone. ``ffn`` merges the tokens of
    the feed-forward part's linear layers. ``grid`` runs blocks, or the head, on a smaller grid of
    tokens. ``tokens`` merges them for all that follows, up to the logits; ``patches`` makes fewer
    of the image in the first place.
    """

    stage: int
    side: Side

    def __str__(self) -> str:
        return f"{_NAMES.get(self.stage, self.stage)}.{self.side}"

    @property
    def place(self) -> str:
        """The site in a sentence: ``stage 3, q``."""
        return f"{_NAMES.get(self.stage, f'stage {self.stage}')}, {self.side}"


def parse_site(text: str, sites: Collection[Site], parts: Collection[str] = ()) -> Site:
    """Read ``STAGE.SIDE``, ``head.grid`` or ``embed.patches``.

    Args:
        sites: Those that the network has.
        parts: Parts with channels, for the message: who meant one gave a wrong name.

    Raises:
        ReductionError: The network has no such stage or side.
    """
    known = f"known: {', '.join(map(str, sites))}"
    others = [f"and of channels: {', '.join(f'STAGE.{part}' for part in parts)}"] if parts else []
    found = re.fullmatch(rf"([1-9]\d*|0|{'|'.join(_NAMES.values())})\.(\w+)", text)
    if not found:
        raise ReductionError(f"{text!r:.80} is not a merge site", known, *others)
    by_name = {str(site): site for site in sites}
    if text in by_name:
        return by_name[text]
    stage, side = found[1], found[2]
    has_stage = any(name.startswith(f"{stage}.") for name in by_name)
    where = stage if stage in _NAMES.values() else f"stage {stage}"
    missing = f"side {side!r:.80}" if has_stage else where
    raise UnknownNameError(f"{text!r:.80} names {missing}, which does not exist", known, *others)


def parse_sites(
    text: str, sites: Collection[Site], parts: Collection[str] = ()
) -> tuple[Site, ...]:
    """Read a site, or those of several stages: ``3-12.q`` are ``3.q`` to ``12.q``.

    Args:
        text: As on the command line.
        sites: Those that the network has.
        parts: What else stands behind a stage, and is read by others.

    Raises:
        ReductionError: The network has no such stage or side, or the stages are none.
    """
    return tuple(parse_site(one, sites, parts) for one in expand_stages(text))


def expand_stages(text: str) -> tuple[str, ...]:
    """Return the names that ``3-4.q`` stands for; any other text as it is, unread.

    Raises:
        ReductionError: The last stage comes before the first.
    """
    found = re.fullmatch(r"([1-9]\d{0,3})-([1-9]\d{0,3})\.(\w+)", text)
    if not found:
        return (text,)
    first, last = int(found[1]), int(found[2])
    if first > last:
        raise ReductionError(
            f"{text!r} ends before it begins", hint=f"{last}-{first}.{found[3]} is from {last} on"
        )
    return tuple(f"{stage}.{found[3]}" for stage in range(first, last + 1))
