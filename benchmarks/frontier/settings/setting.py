"""What one row of the comparison tells ``segpp-export``."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Setting"]


@dataclass(frozen=True)
class Setting:
    """What ``segpp-export`` is told.

    Attributes:
        preset: Name of a preset.
        reduce: Single sites on top.
        group: What kind of reduction it is, for the picture.
        needs: What a network must have been trained to have: a ``policy``, ``exits``; or nothing.
    """

    preset: str = "none"
    reduce: tuple[str, ...] = ()
    group: str = "merging"
    needs: Literal["", "policy", "exits"] = ""
