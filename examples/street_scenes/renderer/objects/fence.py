"""Fences along the pavement: boards, railings and barriers."""

import numpy as np

from examples.street_scenes.renderer.camera import Point
from examples.street_scenes.renderer.color import Color, pick, shade
from examples.street_scenes.renderer.environment.facade import part
from examples.street_scenes.renderer.labels import FENCE
from examples.street_scenes.renderer.stage import Stage

_WOOD = ((134, 100, 66), (158, 130, 96), (110, 92, 76), (196, 190, 178))
_IRON = ((46, 50, 52), (60, 76, 66), (96, 100, 106), (70, 66, 84))
_BARRIERS = ((196, 60, 50), (206, 150, 50))


def draw_fence(stage: Stage, x: float, near: float, far: float, style: str) -> None:
    """Draw a fence along the street.

    Args:
        x: Where it stands, right of the middle of the road.
        near: Depth of its near end.
        far: Depth of its far end.
        style: "boards", "railing" or "barrier".
    """
    height = {"boards": 1.7, "railing": 1.25, "barrier": 1.05}[style] * stage.between(0.85, 1.15)
    wall: tuple[Point, Point, Point, Point]
    wall = ((x, 0.1, near), (x, 0.1, far), (x, height, far), (x, height, near))
    facing = stage.light.side(-np.sign(x))
    if style == "boards":
        _draw_boards(stage, wall, pick(stage.rng, _WOOD), facing)
    elif style == "railing":
        _draw_railing(stage, wall, pick(stage.rng, _IRON), facing)
    else:
        _draw_barrier(stage, wall, pick(stage.rng, _BARRIERS), facing)


STYLES = ("boards", "railing", "barrier")

_Wall = tuple[Point, Point, Point, Point]


def _draw_boards(stage: Stage, wall: _Wall, wood: Color, facing: float) -> None:
    stage.face(wall, wood, FENCE, facing)
    length = wall[1][2] - wall[0][2]
    gap = shade(wood, 0.6)
    boards = max(2, int(length / 0.35))
    for board in range(boards):
        stage.face(part(wall, board / boards, (board + 0.2) / boards, 0, 1), gap, None, facing)
    stage.face(part(wall, 0, 1, 0.94, 1), shade(wood, 1.15), None, facing)


def _draw_railing(stage: Stage, wall: _Wall, iron: Color, facing: float) -> None:
    """Draw bars over what is behind; the label covers the gaps too, as annotators do."""
    stage.canvas.label_polygon(stage.camera.pixels(wall), FENCE)
    length = wall[1][2] - wall[0][2]
    bars = max(2, int(length / 0.3))
    for bar in range(bars):
        stage.face(part(wall, bar / bars, (bar + 0.42) / bars, 0, 1), iron, None, facing)
    for low, high in ((0.06, 0.16), (0.84, 0.96)):
        stage.face(part(wall, 0, 1, low, high), shade(iron, 0.85), None, facing)


def _draw_barrier(stage: Stage, wall: _Wall, paint: Color, facing: float) -> None:
    """Draw two striped planks on feet."""
    stage.canvas.label_polygon(stage.camera.pixels(wall), FENCE)
    length = wall[1][2] - wall[0][2]
    stripes = max(2, 2 * int(length / 1.2))
    stage.face(wall, (120, 122, 124), None, facing)
    for low, high in ((0.2, 0.48), (0.62, 0.96)):
        for stripe in range(stripes):
            color = paint if stripe % 2 else (232, 230, 224)
            stage.face(
                part(wall, stripe / stripes, (stripe + 1) / stripes, low, high),
                color,
                None,
                facing,
            )
