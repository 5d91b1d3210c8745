"""Boxes that taper, turned by any angle about the vertical."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, sin

from examples.street_scenes.renderer.camera import Camera, Point

#: Four corners seen from outside: left foot, right foot, right top, left top.
Quad = tuple[Point, Point, Point, Point]


@dataclass(frozen=True, slots=True)
class Frame:
    """A place on the ground and a heading; 0 points away from the camera, pi towards it."""

    x: float
    z: float
    heading: float

    def point(self, ahead: float, right: float, up: float) -> Point:
        """Return the world point of a local one."""
        s, c = sin(self.heading), cos(self.heading)
        return self.x + ahead * s + right * c, up, self.z + ahead * c - right * s


@dataclass(frozen=True, slots=True)
class Prism:
    """A box with a smaller top, in the meters of its frame.

    Args:
        foot: Back and front end of the lower rectangle.
        top: Back and front end of the upper rectangle.
        half: Half the width of the lower and of the upper rectangle.
        up: Height of the lower and of the upper rectangle.
    """

    foot: tuple[float, float]
    top: tuple[float, float]
    half: tuple[float, float]
    up: tuple[float, float]


def visible_faces(prism: Prism, frame: Frame, camera: Camera) -> Iterator[tuple[str, Quad]]:
    """Yield the faces turned to the camera as (name, corners); names are top, front, back, side."""
    low, high = _corners(prism, frame)
    if camera.y_m > prism.up[1]:
        yield "top", high
    # Corners run back right, front right, front left, back left.
    for name, a, b in (("side", 0, 1), ("front", 1, 2), ("side", 2, 3), ("back", 3, 0)):
        quad = (low[a], low[b], high[b], high[a])
        if _faces(quad, camera):
            yield name, quad


def within(quad: Quad, left: float, right: float, bottom: float, top: float) -> Quad:
    """Cut a part out of a face; the four numbers are shares of its sides."""
    a, b, c, d = quad

    def at(along: float, up: float) -> Point:
        low = [p + (q - p) * along for p, q in zip(a, b, strict=True)]
        high = [p + (q - p) * along for p, q in zip(d, c, strict=True)]
        x, y, z = (p + (q - p) * up for p, q in zip(low, high, strict=True))
        return x, y, z

    return at(left, bottom), at(right, bottom), at(right, top), at(left, top)


def _corners(prism: Prism, frame: Frame) -> tuple[Quad, Quad]:
    def level(ends: tuple[float, float], half: float, up: float) -> Quad:
        back, front = ends
        return (
            frame.point(back, half, up),
            frame.point(front, half, up),
            frame.point(front, -half, up),
            frame.point(back, -half, up),
        )

    return (
        level(prism.foot, prism.half[0], prism.up[0]),
        level(prism.top, prism.half[1], prism.up[1]),
    )


def _faces(quad: Quad, camera: Camera) -> bool:
    """Say whether the outside of an upright face looks at the camera."""
    (x0, _, z0), (x1, _, z1) = quad[0], quad[1]
    # The outward normal is the foot edge turned clockwise by 90 degrees, seen from above.
    normal = (z1 - z0, x0 - x1)
    return normal[0] * (camera.x_m - x0) - normal[1] * z0 > 0
