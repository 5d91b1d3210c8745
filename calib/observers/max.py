"""Everything that was seen: nothing is clipped."""

from segpp.calib.observers import OBSERVERS
from segpp.calib.ranges.statistics import TensorStatistics

__all__ = ["seen_range"]


@OBSERVERS.register("max")
def seen_range(statistics: TensorStatistics) -> tuple[float, float]:
    """Return the smallest and the largest value, over every value of every picture."""
    return statistics.range
