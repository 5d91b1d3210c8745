"""Channels of images in the other order of colours: a network trained on BGR made to take RGB.

A convolution sums over its input's channels, so a network whose first one has its channels turned
round computes on RGB what it computed on BGR before.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["turned", "turned_channels"]

_FRAME = 3


def turned(values: tuple[float, ...]) -> tuple[float, ...]:
    """Return values per channel with every three of one image the other way round.

    What follows the last three, as depth does, keeps its place.
    """
    return tuple(values[channel] for channel in _order(len(values)))


def turned_channels(tensor: "Tensor") -> "Tensor":
    """Return a tensor (N, C, …) with its channels in the other order of colours."""
    return tensor[:, _order(tensor.shape[1])].contiguous()


def _order(channels: int) -> list[int]:
    whole = channels - channels % _FRAME
    order = [start + _FRAME - 1 - i for start in range(0, whole, _FRAME) for i in range(_FRAME)]
    return [*order, *range(whole, channels)]
