"""Buildings that line the street."""

from dataclasses import dataclass

from examples.street_scenes.renderer.camera import Point
from examples.street_scenes.renderer.color import Color, pick, shade
from examples.street_scenes.renderer.environment.facade import Facade, draw_facade
from examples.street_scenes.renderer.labels import BUILDING
from examples.street_scenes.renderer.stage import Stage

_WALLS = (
    (168, 96, 74),
    (188, 164, 132),
    (206, 196, 176),
    (150, 134, 120),
    (132, 138, 148),
    (198, 172, 110),
    (160, 118, 96),
    (112, 102, 100),
    (172, 186, 186),
    (204, 168, 156),
)
_ROOFS = ((120, 66, 52), (84, 84, 92), (104, 88, 78))
_DEEP_M = 14.0


@dataclass(frozen=True, slots=True)
class Building:
    """A block beside the street.

    Args:
        wall: Where its front stands, in meters right of the middle of the road.
        near: Depth of its near end.
        far: Depth of its far end.
        height: Height of its walls.
        detached: Whether its near end shows, since no other block touches it.
    """

    wall: float
    near: float
    far: float
    height: float
    detached: bool

    @property
    def side(self) -> int:
        """Say on which side of the street it stands."""
        return 1 if self.wall > 0 else -1


def draw_building(stage: Stage, block: Building) -> None:
    """Draw the end that faces the camera, then the front along the street."""
    wall = pick(stage.rng, _WALLS, 24)
    facade = Facade.random(stage, block.height)
    pitched = block.height < 11 and stage.chance(0.6)
    if pitched:
        _draw_roof(stage, block)
    _draw_end(stage, block, wall, facade, pitched=pitched)
    front = _front(block)
    stage.face(front, wall, BUILDING, stage.light.side(-block.side))
    draw_facade(stage, front, facade, wall, stage.light.side(-block.side))


def _front(block: Building) -> tuple[Point, Point, Point, Point]:
    """Return the corners of the front: from its left foot round its left top."""
    x, top = block.wall, block.height
    a, b = (block.far, block.near) if block.side > 0 else (block.near, block.far)
    return (x, 0, a), (x, 0, b), (x, top, b), (x, top, a)


def _draw_end(stage: Stage, block: Building, wall: Color, facade: Facade, *, pitched: bool) -> None:
    x, back, z, top = block.wall, block.wall + block.side * _DEEP_M, block.near, block.height
    left, right = (x, back) if block.side > 0 else (back, x)
    end: tuple[Point, Point, Point, Point]
    end = ((left, 0, z), (right, 0, z), (right, top, z), (left, top, z))
    facing = 0.86
    if pitched:
        ridge = ((x + back) / 2, top + 4.0, z)
        stage.face([(left, top, z), (right, top, z), ridge], wall, BUILDING, facing)
    stage.face(end, wall, BUILDING, facing)
    if block.detached and stage.chance(0.6):
        draw_facade(stage, end, facade, wall, facing)


def _draw_roof(stage: Stage, block: Building) -> None:
    x, ridge, top = block.wall, block.wall + block.side * _DEEP_M / 2, block.height
    slope: list[Point] = [(x, top, block.near), (x, top, block.far)]
    slope += [(ridge, top + 4.0, block.far), (ridge, top + 4.0, block.near)]
    roof = pick(stage.rng, _ROOFS)
    stage.face(slope, roof, BUILDING, stage.light.side(-block.side))
    if stage.chance(0.6):
        z = stage.between(block.near, block.far)
        left, right = sorted((ridge - 0.6, ridge + 0.6))
        chimney: list[Point] = [(left, top + 2, z), (right, top + 2, z)]
        chimney += [(right, top + 5.4, z), (left, top + 5.4, z)]
        stage.face(chimney, shade(roof, 0.9), BUILDING)
