"""Grid: a rectangle of tokens, and the sizes of images that users type."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from segpp.errors import InputError

__all__ = ["Grid", "Size", "parse_size"]


@dataclass(frozen=True)
class Grid:
    """A rectangle of tokens in raster order."""

    height: int
    width: int

    @property
    def tokens(self) -> int:
        """The number of tokens."""
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


class Size(NamedTuple):
    """Height and width of an image in pixels; height first, as everywhere."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"


def parse_size(text: str) -> Size:
    """Read ``HxW`` in pixels.

    Raises:
        InputError: ``text`` is not two positive whole numbers.
    """
    found = re.fullmatch(r"([0-9]{1,6})[xX]([0-9]{1,6})", text.strip())
    if not found:
        raise InputError(f"{text!r:.80} is not a size", hint="write height x width, like 512x1024")
    size = Size(int(found[1]), int(found[2]))
    if min(size) == 0:
        raise InputError(f"size {size} has no pixels", hint="write height x width, like 512x1024")
    return size
