"""The ground: road, lane marks, kerbs, pavements and lawns."""

from math import log

import numpy as np

from examples.street_scenes.renderer.camera import Point
from examples.street_scenes.renderer.color import WHITE, Color, pick, shade
from examples.street_scenes.renderer.environment.street import FARTHEST_M, Street
from examples.street_scenes.renderer.labels import PAVEMENT, ROAD, TREE
from examples.street_scenes.renderer.stage import Stage

_ASPHALT = ((96, 96, 100), (118, 116, 114), (82, 84, 90), (126, 120, 112))
_SLABS = ((168, 162, 152), (150, 146, 142), (178, 164, 148), (158, 140, 130))
_LAWN = ((86, 118, 58), (104, 124, 62), (74, 104, 56))
_KERB_M = 0.14


def strip(left: float, right: float, near: float, far: float, up: float = 0.0) -> list[Point]:
    """Outline a strip of ground along the street, fine enough to follow its bend."""
    steps = int(2 * log(far / near)) + 1
    ratio = (far / near) ** (1 / steps)
    depths = [near * ratio**step for step in range(steps + 1)]
    return [(left, up, z) for z in depths] + [(right, up, z) for z in reversed(depths)]


def draw_ground(stage: Stage, street: Street) -> None:
    """Draw everything flat, from the outside to the middle of the road."""
    asphalt = pick(stage.rng, _ASPHALT)
    slabs = pick(stage.rng, _SLABS)
    stage.face(strip(-400, 400, 0.5, 500), asphalt, ROAD)
    for side in (-1, 1):
        for near, far in street.stretches():
            _draw_side(stage, street, side, (near, far), slabs)
    _draw_road(stage, street, asphalt)
    _draw_marks(stage, street)


def _draw_side(
    stage: Stage, street: Street, side: int, stretch: tuple[float, float], slabs: Color
) -> None:
    kerb, inner = side * street.half_road, street.inner_edge(side)
    lawn = street.park(side) or street.garden(side) > 0
    outer = pick(stage.rng, _LAWN) if lawn else slabs
    beyond = strip(inner, side * 400, *stretch, _KERB_M)
    stage.face(beyond, outer, TREE if lawn else PAVEMENT)
    stage.face(strip(kerb, inner, *stretch, _KERB_M), slabs, PAVEMENT)
    _draw_joints(stage, (kerb, inner), stretch, shade(slabs, 0.84))
    _draw_kerb(stage, kerb, stretch, slabs)


def _draw_joints(
    stage: Stage, sides: tuple[float, float], stretch: tuple[float, float], color: Color
) -> None:
    spacing = stage.between(0.8, 2.0)
    for z in np.arange(max(stretch[0], 1.5), min(stretch[1], 24), spacing).tolist():
        stage.face(strip(*sides, z, z + 0.05, _KERB_M), color)
    middle = (sides[0] + sides[1]) / 2
    stage.face(strip(middle - 0.02, middle + 0.02, *stretch, _KERB_M), color)


def _draw_kerb(stage: Stage, kerb: float, stretch: tuple[float, float], slabs: Color) -> None:
    near, far = stretch
    inwards = kerb - np.sign(kerb) * -0.16
    stage.face(strip(kerb, inwards, near, far, _KERB_M), shade(slabs, 1.14), PAVEMENT)
    depths = np.geomspace(near, far, 16).tolist()
    face: list[Point] = [(kerb, 0, z) for z in depths]
    face += [(kerb, _KERB_M, z) for z in reversed(depths)]
    stage.face(face, shade(slabs, 0.72), PAVEMENT)
    if near > 1:
        end: list[Point] = [(kerb, 0, near), (kerb * 60, 0, near)]
        end += [(kerb * 60, _KERB_M, near), (kerb, _KERB_M, near)]
        stage.face(end, shade(slabs, 0.8), PAVEMENT)


def _draw_road(stage: Stage, street: Street, asphalt: Color) -> None:
    """Add worn tracks, patches and covers to the plain asphalt."""
    half = street.half_road
    for track in (-0.62, -0.28, 0.28, 0.62):
        middle = track * half
        worn = shade(asphalt, stage.between(0.94, 0.99))
        stage.face(strip(middle - 0.3, middle + 0.3, 0.5, FARTHEST_M), worn)
    for _ in range(int(stage.rng.integers(5))):
        x, z = stage.between(-half, half * 0.6), stage.between(3, 30)
        patch = strip(x, x + stage.between(0.5, 1.8), z, z + stage.between(0.5, 4))
        stage.face(patch, shade(asphalt, stage.between(0.72, 1.2)))


def _draw_marks(stage: Stage, street: Street) -> None:
    paint = pick(stage.rng, (WHITE, WHITE, (226, 190, 74)), 10)
    dash, gap = stage.between(1.5, 4), stage.between(2, 5)
    for middle in _lanes(stage, street):
        for near in np.arange(stage.between(0.6, 4), 80, dash + gap).tolist():
            if not street.in_junction(near, near + dash):
                stage.face(strip(middle - 0.08, middle + 0.08, near, near + dash), paint)
    if stage.chance(0.45):
        for side in (-1, 1):
            edge = side * (street.half_road - 0.35)
            for stretch in street.stretches():
                stage.face(strip(edge - 0.06, edge + 0.06, *stretch), paint)
    if stage.chance(0.35):
        _draw_zebra(stage, street)


def _lanes(stage: Stage, street: Street) -> list[float]:
    """Return where the dashed lines run: between two lanes, or among four."""
    if street.half_road < 4.6:
        return [0.0] if stage.chance(0.85) else []
    return [-street.half_road / 2, 0.0, street.half_road / 2]


def _draw_zebra(stage: Stage, street: Street) -> None:
    near = street.junction[0] - 4 if street.junction else stage.between(5, 22)
    for left in np.arange(-street.half_road + 0.3, street.half_road - 0.6, 1.1).tolist():
        stage.face(strip(left, left + 0.55, near, near + 3), WHITE)


def draw_building_shadows(stage: Stage, street: Street) -> None:
    """Let the side that hides the sun darken its half of the street."""
    reach = stage.light.sun * 7
    side = -1 if reach > 0 else 1
    if street.park(side) or abs(reach) < 2:
        return
    wall = street.wall(side)
    edge = wall + reach
    for stretch in street.stretches():
        stage.shadow(strip(wall, edge, *stretch), 0.9)
