"""Places with fewer channels, as a manifest tells them."""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["ChannelSite", "GateName"]

# Who adds a gate names it here too, so that a board knows what a file may say.
GateName = Literal["fixed", "dynamic"]


@dataclass(frozen=True)
class ChannelSite:
    """One place with fewer channels, in every block of the stage.

    Attributes:
        stage: Counted from 1.
        part: The ``hidden`` channels of the feed-forward part, or ``qkv``: those of queries and
            keys, one set for both, and those of values, another.
        method: ``fixed`` for all images, or ``dynamic``: each image chooses.
        channels_in: Of one block.
        channels_out: Likewise, equally many in every group.
        groups: Attention's heads; 1 for ``hidden``.
        predictor: Width of the hidden layer of a trained predictor; 0 without one.
        kept: Which channels of a fixed gate stay: hexadecimal, the first channel the highest bit,
            by block and layers, as ``2.qk`` of the second block.
    """

    stage: int
    part: Literal["hidden", "qkv"]
    method: GateName
    settings: dict[str, int | float | str]
    channels_in: int
    channels_out: int
    groups: int = 1
    predictor: int = 0
    kept: dict[str, str] = field(default_factory=dict)
