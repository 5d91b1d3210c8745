"""Lamp posts, masts and the posts that carry signs."""

from examples.street_scenes.renderer.color import Color, pick, shade
from examples.street_scenes.renderer.labels import POLE
from examples.street_scenes.renderer.stage import Board, Stage

_METAL = ((92, 96, 100), (58, 62, 64), (150, 152, 152), (70, 84, 74), (112, 84, 60))
_GLOW: Color = (255, 236, 176)


def draw_post(stage: Stage, x: float, z: float, height: float, width: float = 0.16) -> Color:
    """Draw a plain post; return its color for what hangs from it."""
    board = Board(stage, x, z, POLE)
    metal = pick(stage.rng, _METAL)
    wide = max(width, stage.thinnest / board.scale) / 2
    reach = stage.light.sun * height
    stage.shadow(
        [(x - wide, 0, z), (x + wide, 0, z), (x + reach + wide, 0, z), (x + reach - wide, 0, z)]
    )
    board.polygon([(-wide, 0), (wide, 0), (wide, height), (-wide, height)], metal)
    # A darker half makes the post look round; it carries no label of its own.
    board.polygon([(0, 0), (wide, 0), (wide, height), (0, height)], shade(metal, 0.76))
    return metal


def draw_lamp(stage: Stage, x: float, z: float) -> None:
    """Draw a street lamp whose arm reaches over the road."""
    height = stage.between(5, 8)
    metal = draw_post(stage, x, z, height, stage.between(0.2, 0.3))
    board = Board(stage, x, z, POLE, mirrored=x > 0)
    thick = max(0.14, stage.thinnest / board.scale)
    glow = _GLOW if stage.light.dusk else (214, 214, 206)
    if stage.chance(0.3):
        board.disc((0, height + 0.2), (0.32, 0.36), glow)
        return
    reach = stage.between(1.0, 2.0)
    board.limb([(0, height), (reach * 0.4, height + 0.35), (reach, height + 0.4)], metal, thick)
    board.limb([(reach * 0.75, height + 0.36), (reach + 0.3, height + 0.36)], glow, thick * 1.3)


def draw_mast(stage: Stage, x: float, z: float) -> None:
    """Draw a tall mast with cross arms."""
    height = stage.between(6, 9)
    metal = draw_post(stage, x, z, height, stage.between(0.26, 0.36))
    board = Board(stage, x, z, POLE)
    thick = max(0.16, stage.thinnest / board.scale)
    for level in (height - 0.4, height - 1.3):
        board.limb([(-0.9, level), (0.9, level)], metal, thick)
