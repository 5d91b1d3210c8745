"""People on foot."""

from math import sin

from examples.street_scenes.renderer.color import Color, pick, shade
from examples.street_scenes.renderer.labels import PEDESTRIAN
from examples.street_scenes.renderer.stage import Board, Stage

SKINS = ((226, 184, 156), (198, 150, 118), (140, 98, 74), (92, 64, 50))
CLOTHES = (
    (168, 44, 48),
    (48, 62, 96),
    (210, 206, 196),
    (58, 58, 62),
    (70, 104, 84),
    (196, 150, 70),
    (120, 84, 130),
    (90, 130, 170),
)
TROUSERS = ((44, 48, 62), (62, 68, 88), (96, 84, 68), (36, 36, 38))
HAIR = ((38, 30, 26), (92, 66, 42), (164, 130, 82), (128, 128, 128))


def draw_person(stage: Stage, x: float, z: float) -> None:
    """Draw somebody who walks or stands at ``x``, ``z``."""
    board = Board(stage, x, z, PEDESTRIAN, mirrored=stage.chance(0.5))
    tall = stage.between(1.5, 1.9)
    stride = stage.between(-0.34, 0.34)
    _cast_shadow(stage, x, z, tall)
    coat = pick(stage.rng, CLOTHES, 22)
    skin = pick(stage.rng, SKINS, 10)
    _draw_legs(board, tall, stride, pick(stage.rng, TROUSERS))
    _draw_arms(board, tall, -stride, (shade(coat, 0.82), skin))
    _draw_trunk(board, tall, coat)
    draw_head(board, (0.0, 0.925 * tall), skin)
    if stage.chance(0.3):
        _draw_bag(board, tall)


def draw_head(board: Board, center: tuple[float, float], skin: Color) -> None:
    """Draw a head with hair at a place of the board."""
    right, up = center
    board.disc((right, up + 0.02), (0.125, 0.15), pick(board.stage.rng, HAIR))
    board.disc((right + 0.03, up - 0.03), (0.09, 0.11), skin)


def _draw_legs(board: Board, tall: float, stride: float, trousers: Color) -> None:
    hip, knee = 0.5 * tall, 0.27 * tall
    for way, color in ((-1, shade(trousers, 0.8)), (1, trousers)):
        foot = way * stride
        bend = 0.06 * abs(sin(3 * stride))
        path = [(way * 0.06, hip), (foot * 0.55 + bend, knee), (foot, 0.06)]
        board.limb(path, color, 0.17)
        board.limb([(foot, 0.05), (foot + 0.12, 0.05)], (34, 30, 30), 0.1)


def _draw_arms(board: Board, tall: float, swing: float, colors: tuple[Color, Color]) -> None:
    shoulder, hand = 0.8 * tall, 0.48 * tall
    sleeve, skin = colors
    for way in (-1, 1):
        end = (way * 0.24 + way * swing * 0.5, hand)
        board.limb([(way * 0.19, shoulder), (way * 0.26, 0.63 * tall), end], sleeve, 0.12)
        board.disc(end, (0.06, 0.06), skin)


def _draw_trunk(board: Board, tall: float, coat: Color) -> None:
    hem = board.stage.between(0.36, 0.5) * tall
    top = 0.84 * tall
    board.polygon(
        [(-0.2, hem), (0.2, hem), (0.17, 0.62 * tall), (0.24, top - 0.08), (0.08, top),
         (-0.08, top), (-0.24, top - 0.08), (-0.17, 0.62 * tall)],
        coat,
    )  # fmt: skip
    board.limb([(0, top - 0.05), (0, top + 0.06)], shade(coat, 0.9), 0.12)


def _draw_bag(board: Board, tall: float) -> None:
    color = pick(board.stage.rng, CLOTHES)
    low, high = 0.54 * tall, 0.8 * tall
    board.polygon([(-0.16, low), (0.12, low), (0.12, high), (-0.16, high)], color)


def _cast_shadow(stage: Stage, x: float, z: float, tall: float) -> None:
    reach = stage.light.sun * tall
    blot = [(x - 0.3, 0.0, z - 0.25), (x + 0.3, 0.0, z - 0.25)]
    stage.shadow([*blot, (x + reach + 0.3, 0.0, z + 0.35), (x + reach - 0.3, 0.0, z + 0.35)])
