"""How many tokens share a slot on pictures, as token_maps.py has written it down."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["RESULT", "TokenMap", "read_token_maps"]

RESULT = Path(__file__).resolve().parents[2] / "docs" / "results" / "token_maps_camvid.json"


@dataclass(frozen=True)
class TokenMap:
    """The lists of all matches of one kind.

    Attributes:
        size: Of the picture, "512x1024".
        plan: How was merged.
        height: Rows of tokens.
        width: Columns of tokens.
        stride: Rows and columns of a cell.
        merged: How many sources merge.
        matches: How many matches the histogram is of.
        histogram: How many lists have so many members, the destination among them.
        lengths: The lists of the first match, in the order of their slots.
    """

    size: str
    plan: str
    height: int
    width: int
    stride: int
    merged: int
    matches: int = 0
    histogram: Mapping[int, int] = field(default_factory=dict)
    lengths: Sequence[int] = ()

    @property
    def tokens(self) -> int:
        """N."""
        return self.height * self.width

    @property
    def slots(self) -> int:
        """M, the tokens that are left."""
        return self.tokens - self.merged

    @property
    def singles(self) -> int:
        """How many of the first slots have one member."""
        return self.slots - len(self.lengths)


def read_token_maps(path: Path = RESULT) -> list[TokenMap]:
    """Return the maps of a result."""
    rows = json.loads(path.read_text(encoding="utf-8"))["maps"]
    return [
        TokenMap(**{**row, "histogram": {int(key): n for key, n in row["histogram"].items()}})
        for row in rows
    ]
