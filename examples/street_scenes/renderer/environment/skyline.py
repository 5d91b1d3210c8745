"""What closes the street at its far end: roofs and crowns on the horizon."""

from examples.street_scenes.renderer.color import Color, pick
from examples.street_scenes.renderer.labels import BUILDING, TREE
from examples.street_scenes.renderer.stage import Stage

_WALLS = ((140, 128, 120), (120, 124, 132), (150, 132, 112))
_CROWNS = ((70, 96, 56), (84, 104, 60), (98, 100, 58))
_DEPTH_M = 110.0


def draw_skyline(stage: Stage) -> None:
    """Draw a closed row of distant buildings and trees."""
    step = stage.canvas.height * 0.09
    column = -step
    while column < stage.canvas.width:
        width = step * stage.between(0.6, 1.8)
        height = step * stage.between(0.35, 1.3)
        if stage.chance(0.5):
            _draw_block(stage, column, width, height)
        else:
            _draw_grove(stage, column, width, height)
        column += width * 0.9


def _draw_block(stage: Stage, column: float, width: float, height: float) -> None:
    wall = stage.light.on(pick(stage.rng, _WALLS, 20), _DEPTH_M)
    bottom, top = stage.camera.horizon + 4, stage.camera.horizon - height
    right = column + width
    box = [(column, bottom), (column, top), (right, top), (right, bottom)]
    stage.canvas.polygon(box, wall, BUILDING)


def _draw_grove(stage: Stage, column: float, width: float, height: float) -> None:
    base: Color = pick(stage.rng, _CROWNS)
    for share in (0.1, 0.5, 0.9, 0.3, 0.7):
        crown = stage.light.on(pick(stage.rng, (base,), 14), _DEPTH_M)
        radius = (width * 0.34, height * stage.between(0.4, 0.6))
        middle = (column + width * share, stage.camera.horizon - radius[1] * 0.7)
        stage.canvas.ellipse(middle, radius, crown, TREE)
