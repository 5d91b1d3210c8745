"""What was measured of blocks and parts, as data: no library stands behind it."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["BlockCost", "BlockResult", "PartGain"]

# Of a call; two files that are the same differ by less in nearly every pair of measurements.
_UNSURE = 0.005


@dataclass(frozen=True)
class BlockCost:
    """What one block costs and gains in INT8.

    Attributes:
        block: Its name (``segpp.calib.graph.sites.Site.block``).
        sites: How many products it has.
        divergence: Kullback-Leibler divergence of the class probabilities from the float network's,
            the mean over pixels, in nats.
        milliseconds: What a call gains by it on the engine at hand; None where none was timed.
    """

    block: str
    sites: int
    divergence: float
    milliseconds: float | None = None


@dataclass(frozen=True)
class PartGain:
    """What one part gains by being INT8, where all others are.

    Attributes:
        part: Its name (``segpp.calib.graph.sites.Site.part``).
        float_ms: A call of the file in which this part is float, in milliseconds.
        int8_ms: A call of the file in which it is INT8 too.
    """

    part: str
    float_ms: float
    int8_ms: float

    @property
    def milliseconds(self) -> float:
        """What a call gains; negative where INT8 is slower."""
        return self.float_ms - self.int8_ms

    @property
    def pays(self) -> bool:
        """Whether that is more than measuring is unsure of."""
        return self.milliseconds > _UNSURE * self.float_ms


@dataclass(frozen=True)
class BlockResult:
    """What became of one block.

    Attributes:
        block: Its name.
        products: How many it has.
        int8: How many of them are INT8.
        divergence: What it costs (``BlockCost``); None where that was not measured.
        milliseconds: What it gains, an even share of what its parts gain in all their blocks; None
            where that was not timed.
        floats: How many products stayed float for a reason, by reason.
    """

    block: str
    products: int
    int8: int
    divergence: float | None
    milliseconds: float | None
    floats: Mapping[str, int]
