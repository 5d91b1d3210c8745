"""What one row of the comparison tells ``segpp-export``."""

from dataclasses import dataclass

__all__ = ["Setting"]


@dataclass(frozen=True)
class Setting:
    """What ``segpp-export`` is told.

    Attributes:
        preset: Name of a preset.
        reduce: Single sites on top.
        group: What kind of reduction it is, for the picture.
    """

    preset: str = "none"
    reduce: tuple[str, ...] = ()
    group: str = "merging"
