"""dynamic: every image decides which channels; how many is fixed.

The mean token of a layer's input, normalised, goes through the layer's own weights to a gate, whose
largest entries say which rows of the weights are gathered for this image.

Source: Bai, Mao & Nair, 2021 (arXiv:2111.09499), the Dynamic Gated Linear layer.
"""

from dataclasses import dataclass
from typing import ClassVar

from segpp.export.reduction.gates import GATES
from segpp.export.reduction.gates.base import ChannelGate

__all__ = ["DynamicGate"]


@GATES.register("dynamic")
@dataclass(frozen=True)
class DynamicGate(ChannelGate):
    """Channels that each image chooses."""

    name: ClassVar[str] = "dynamic"
