"""People on bicycles, from the side or end-on; the label takes in the bicycle."""

from math import cos, pi, sin

from examples.street_scenes.renderer.color import BLACK, Color, pick, shade
from examples.street_scenes.renderer.labels import BICYCLIST
from examples.street_scenes.renderer.objects.person import CLOTHES, SKINS, TROUSERS, draw_head
from examples.street_scenes.renderer.stage import Board, Stage

_FRAMES = ((180, 40, 44), (40, 70, 130), (40, 44, 48), (220, 220, 214), (60, 130, 100))
_HELMETS = ((232, 232, 226), (200, 60, 40), (50, 52, 58), (230, 200, 60))
_WHEEL_M = 0.35


def draw_cyclist(stage: Stage, x: float, z: float, *, sideways: bool) -> None:
    """Draw somebody who rides at ``x``, ``z``: across the street, or along it."""
    board = Board(stage, x, z, BICYCLIST, mirrored=stage.chance(0.5))
    reach = 0.9 if sideways else 0.3
    blot = [(x - reach, 0.0, z - 0.2), (x + reach, 0.0, z - 0.2)]
    far = stage.light.sun * 1.4
    stage.shadow([*blot, (x + far + reach, 0.0, z + 0.3), (x + far - reach, 0.0, z + 0.3)])
    shirt, trousers = pick(stage.rng, CLOTHES, 22), pick(stage.rng, TROUSERS)
    skin, paint = pick(stage.rng, SKINS, 10), pick(stage.rng, _FRAMES)
    if sideways:
        _draw_bicycle(board, paint)
        _draw_rider(board, shirt, trousers, skin)
    else:
        _draw_end_on(board, (shirt, trousers), skin, paint)


def _draw_bicycle(board: Board, paint: Color) -> None:
    back, front, pedals = (-0.52, _WHEEL_M), (0.54, _WHEEL_M), (-0.04, 0.32)
    saddle, head = (-0.2, 0.9), (0.4, 0.86)
    for hub in (back, front):
        # The label is a whole disc, as an annotator would draw it.
        board.stage.canvas.label_disc(board.at(*hub), _WHEEL_M * board.scale, board.label)
        board.ring(hub, _WHEEL_M, BLACK, 0.075)
        for turn in range(4):
            c, s = 0.3 * cos(turn * pi / 4), 0.3 * sin(turn * pi / 4)
            board.limb([(hub[0] - c, hub[1] - s), (hub[0] + c, hub[1] + s)], (116, 116, 120), 0.02)
    for tube in ((back, pedals), (pedals, head), (saddle, pedals), (saddle, head), (back, saddle)):
        board.limb(tube, paint, 0.06)
    board.limb([front, head, (0.36, 1.02), (0.5, 1.06)], paint, 0.06)
    board.limb([(-0.32, 0.94), (-0.1, 0.94)], BLACK, 0.09)


def _draw_rider(board: Board, shirt: Color, trousers: Color, skin: Color) -> None:
    turn = board.stage.between(0, 2 * pi)
    hip = (-0.18, 1.0)
    for way, color in ((pi, shade(trousers, 0.75)), (0.0, trousers)):
        foot = (-0.04 + 0.17 * cos(turn + way), 0.3 + 0.17 * sin(turn + way))
        knee = ((hip[0] + foot[0]) / 2 + 0.24, (hip[1] + foot[1]) / 2 + 0.1)
        board.limb([hip, knee, foot], color, 0.15)
        board.limb([foot, (foot[0] + 0.13, foot[1])], BLACK, 0.09)
    shoulder = (0.14, 1.48)
    board.polygon([(-0.32, 0.98), (-0.06, 0.94), (0.27, 1.4), (0.2, 1.56), (0.02, 1.54)], shirt)
    board.limb([shoulder, (0.36, 1.22), (0.48, 1.08)], shade(shirt, 0.85), 0.11)
    _draw_helmet(board, (0.26, 1.68), skin)


def _draw_helmet(board: Board, center: tuple[float, float], skin: Color) -> None:
    draw_head(board, center, skin)
    if board.stage.chance(0.7):
        right, up = center
        helmet = pick(board.stage.rng, _HELMETS)
        board.disc((right - 0.01, up + 0.08), (0.145, 0.1), helmet)


def _draw_end_on(board: Board, clothes: tuple[Color, Color], skin: Color, paint: Color) -> None:
    shirt, trousers = clothes
    board.limb([(0, 0.05), (0, 0.66)], BLACK, 0.1)
    board.limb([(-0.28, 1.04), (0.28, 1.04)], BLACK, 0.07)
    board.limb([(0, 0.66), (0, 1.0)], paint, 0.09)
    lift = board.stage.between(-0.14, 0.14)
    for way in (-1, 1):
        foot = 0.3 + way * lift
        board.limb([(way * 0.11, 1.0), (way * 0.17, 0.66 + way * lift), (way * 0.12, foot)],
                   trousers, 0.16)  # fmt: skip
        board.limb([(way * 0.12, foot), (way * 0.12, foot - 0.06)], BLACK, 0.12)
        board.limb([(way * 0.2, 1.45), (way * 0.31, 1.22), (way * 0.26, 1.06)],
                   shade(shirt, 0.85), 0.11)  # fmt: skip
    board.polygon([(-0.18, 0.94), (0.18, 0.94), (0.25, 1.46), (0.1, 1.56), (-0.1, 1.56),
                   (-0.25, 1.46)], shirt)  # fmt: skip
    _draw_helmet(board, (0.0, 1.68), skin)
