"""Where tokens can be merged: the queries, or the keys and values, of a stage."""

import re
from collections.abc import Collection
from typing import Literal, NamedTuple

from segpp.errors import ReductionError

__all__ = ["Side", "Site", "parse_site"]

Side = Literal["q", "kv"]


class Site(NamedTuple):
    """One stage, counted from 1, and one side of its attention.

    ``q`` merges what goes in and restores what comes out; ``kv`` is never undone.
    """

    stage: int
    side: Side

    def __str__(self) -> str:
        return f"{self.stage}.{self.side}"


def parse_site(text: str, sites: Collection[Site]) -> Site:
    """Read ``STAGE.q`` or ``STAGE.kv``.

    Args:
        sites: Those that the network has.

    Raises:
        ReductionError: The network has no such stage or side.
    """
    known = ", ".join(map(str, sites))
    found = re.fullmatch(r"(\d+)\.(\w+)", text)
    if not found:
        raise ReductionError(f"{text!r} is not a merge site", f"known: {known}")
    stage, side = int(found[1]), found[2]
    for site in sites:
        if (stage, side) == tuple(site):
            return site
    has_stage = any(site.stage == stage for site in sites)
    missing = f"side {side!r}" if has_stage else f"stage {stage}"
    raise ReductionError(f"{text!r} names {missing}, which does not exist", f"known: {known}")
