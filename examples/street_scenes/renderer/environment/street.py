"""The plan of a street, in meters, before anything is drawn."""

from dataclasses import dataclass

import numpy as np

#: Where the drawn street ends.
FARTHEST_M = 140.0


@dataclass(frozen=True, slots=True)
class Street:
    """Widths and sides; the middle of the road is at 0, right is positive.

    Args:
        half_road: Half the width of the road.
        pavements: Width of the left and the right pavement.
        gardens: Depth of the strip between pavement and buildings, left and right.
        parks: Whether a side has trees in place of buildings, left and right.
        junction: Nearest and farthest depth of a crossing road, if there is one.
        traffic: Side that traffic keeps to: -1 left, 1 right.
    """

    half_road: float
    pavements: tuple[float, float]
    gardens: tuple[float, float]
    parks: tuple[bool, bool]
    junction: tuple[float, float] | None
    traffic: int

    def pavement(self, side: int) -> float:
        """Return the pavement's width on a side (-1 or 1)."""
        return self.pavements[side > 0]

    def garden(self, side: int) -> float:
        """Return the depth of the front gardens on a side."""
        return self.gardens[side > 0]

    def park(self, side: int) -> bool:
        """Say whether a side has trees in place of buildings."""
        return self.parks[side > 0]

    def inner_edge(self, side: int) -> float:
        """Return where the pavement ends and private ground begins."""
        return side * (self.half_road + self.pavement(side))

    def wall(self, side: int) -> float:
        """Return where the fronts of the buildings stand."""
        return self.inner_edge(side) + side * self.garden(side)

    def in_junction(self, near: float, far: float) -> bool:
        """Say whether a stretch of depth touches the crossing road."""
        return self.junction is not None and near < self.junction[1] and far > self.junction[0]

    def band(self, depth: float) -> int:
        """Return 2 beyond the crossing road, 1 on it, 0 before it."""
        if self.junction is None:
            return 0
        return (depth >= self.junction[0]) + (depth >= self.junction[1])

    def stretches(self) -> list[tuple[float, float]]:
        """Return the depths between which the kerbs run."""
        if self.junction is None:
            return [(0.5, FARTHEST_M)]
        return [(0.5, self.junction[0]), (self.junction[1], FARTHEST_M)]


def random_street(rng: np.random.Generator) -> Street:
    """Plan a street."""
    junction = None
    if rng.random() < 0.4:
        near = rng.uniform(12, 34)
        junction = (near, near + rng.uniform(6, 10))
    gardens = [rng.uniform(3, 7) if rng.random() < 0.4 else 0.0 for _ in range(2)]
    return Street(
        half_road=rng.uniform(2.9, 6.0),
        pavements=(rng.uniform(1.7, 4.2), rng.uniform(1.7, 4.2)),
        gardens=(gardens[0], gardens[1]),
        parks=(bool(rng.random() < 0.18), bool(rng.random() < 0.18)),
        junction=junction,
        traffic=-1 if rng.random() < 0.5 else 1,
    )
