"""fixed: the same channels for every image, chosen on some, and cut out of the weights.

What is left is an ordinary network with smaller matrices. The channels are chosen by what the layer
behind them loses, greedily, one after the other; with ``correct`` that layer's weights make up for
it as far as least squares can, and the choice counts what they cannot make up for.
"""

from dataclasses import dataclass
from typing import ClassVar

from segpp.errors import ReductionError
from segpp.export.reduction.gates import GATES
from segpp.export.reduction.gates.base import ChannelGate

__all__ = ["FixedGate"]


@GATES.register("fixed")
@dataclass(frozen=True)
class FixedGate(ChannelGate):
    """Channels that images decide once, at the export.

    Attributes:
        correct: 1 lets the following layer make up for what is left out; 0 only cuts.
    """

    name: ClassVar[str] = "fixed"

    correct: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.correct not in {0, 1}:
            raise ReductionError(f"{self.name} with correct={self.correct}", "1 is on, 0 is off")
