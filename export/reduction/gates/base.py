"""What every channel gate promises: a count that its settings alone decide."""

from dataclasses import dataclass
from math import floor

from segpp.errors import ReductionError
from segpp.export.reduction.base import Method
from segpp.export.reduction.gates.places import Channels

__all__ = ["ChannelGate"]

# What a register of a CPU and a tile of a tensor core hold a multiple of.
_STEP = 8


@dataclass(frozen=True)
class ChannelGate(Method):
    """Which share of the channels stays.

    Attributes:
        keep: Above 0, up to 1. Of a width that is a multiple of eight a multiple of eight stays,
            the nearest, a half upwards and one at least: of 640 channels 448 at 0.7.
    """

    keep: float = 0.7

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ReductionError(
                f"{self.name} cannot keep a share of {self.keep:g} of the channels",
                "keep must lie above 0 and be at most 1",
            )

    def channels_out(self, channels: Channels) -> int:
        """Return how many channels stay, the same number in every group."""
        width = channels.width // channels.groups
        step = _STEP if width % _STEP == 0 else 1
        return channels.groups * step * max(1, floor(width * self.keep / step + 0.5))
