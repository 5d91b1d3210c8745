"""What is to be quantized, and over which ranges: what every writer is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segpp.calib.graph.sites import Site

__all__ = ["Plan"]

Range = tuple[float, float]


@dataclass(frozen=True)
class Plan:
    """The sites that a file computes in INT8; all others stay float.

    Attributes:
        sites: In the order of the graph.
        ranges: Of the activations, by tensor: the lowest and the highest value that is kept.
        codes: Integers of weights, by the names of sites' nodes; those of others are the nearest.
    """

    sites: tuple[Site, ...]
    ranges: Mapping[str, Range]
    codes: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)
