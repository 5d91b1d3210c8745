"""A thing in the street and its turn to be painted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from examples.street_scenes.renderer.environment.street import Street

#: Layers: behind the pavement, on its inner edge, on pavement and road.
BEHIND, EDGE, STREET = range(3)


@dataclass(frozen=True, slots=True)
class Thing:
    """Something to draw.

    Args:
        depth: Its distance in meters; the far end for what runs along the street.
        layer: Layers nearer to the road are painted later, so that a wall along
            the street never needs cutting where somebody stands before it.
        draw: Draws it.
    """

    depth: float
    layer: int
    draw: Callable[[], None]


def in_painting_order(things: Iterable[Thing], street: Street) -> list[Thing]:
    """Sort things from the back to the front.

    Layers hold between two crossing roads only: what stands on a crossing road
    hides behind the corner building before it.
    """

    def turn(thing: Thing) -> tuple[int, int, float]:
        # A wall that ends at the crossing road stands before it.
        return -street.band(thing.depth - 0.01), thing.layer, -thing.depth

    return sorted(things, key=turn)
