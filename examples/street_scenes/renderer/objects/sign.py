"""Traffic signs, traffic lights and direction boards."""

from collections.abc import Callable
from math import cos, pi, sin

from examples.street_scenes.renderer.color import BLACK, WHITE, Color, pick
from examples.street_scenes.renderer.labels import SIGN
from examples.street_scenes.renderer.objects.pole import draw_post
from examples.street_scenes.renderer.stage import Board, Stage

_RED: Color = (196, 28, 36)
_BLUE: Color = (30, 80, 168)
_GREEN: Color = (26, 116, 78)


def draw_sign(stage: Stage, x: float, z: float) -> None:
    """Draw a post with one sign, sometimes two."""
    low = stage.between(2.0, 2.6)
    half = stage.between(0.38, 0.55)
    count = 2 if stage.chance(0.25) else 1
    draw_post(stage, x, z, low + 2 * half * count)
    board = Board(stage, x, z - 0.05, SIGN)
    for place in range(count):
        plate = _PLATES[int(stage.rng.integers(len(_PLATES)))]
        plate(board, low + half * (1 + 2.05 * place), half)


def draw_traffic_light(stage: Stage, x: float, z: float) -> None:
    """Draw a post with three lamps, one of them lit."""
    low = stage.between(2.2, 2.9)
    draw_post(stage, x, z, low + 0.6, 0.18)
    board = Board(stage, x, z - 0.05, SIGN)
    board.polygon([(-0.26, low), (0.26, low), (0.26, low + 1.25), (-0.26, low + 1.25)], BLACK)
    lit = int(stage.rng.integers(3))
    for place, lamp in enumerate(((60, 230, 140), (250, 190, 50), (250, 50, 44))):
        dim: Color = (50, 52, 50)
        board.disc((0, low + 0.22 + 0.4 * place), (0.16, 0.16), lamp if place == lit else dim)


def draw_direction_board(stage: Stage, x: float, z: float) -> None:
    """Draw a wide board on two posts."""
    low, half, tall = stage.between(1.6, 2.4), stage.between(0.9, 1.5), stage.between(0.8, 1.3)
    for way in (-0.6, 0.6):
        draw_post(stage, x + way * half, z, low + tall)
    board = Board(stage, x, z - 0.05, SIGN)
    back = pick(stage.rng, (_BLUE, _GREEN, (228, 196, 60)))
    _box(board, half, (low, low + tall), WHITE)
    _box(board, half - 0.06, (low + 0.06, low + tall - 0.06), back)
    for row in (0.3, 0.65):
        level = low + tall * row
        long = half * stage.between(0.1, 0.7)
        board.polygon(
            [(-half * 0.7, level), (long, level), (long, level + tall * 0.13),
             (-half * 0.7, level + tall * 0.13)],
            WHITE,
        )  # fmt: skip


def _box(board: Board, half: float, span: tuple[float, float], color: Color) -> None:
    low, high = span
    board.polygon([(-half, low), (half, low), (half, high), (-half, high)], color)


def _ban(board: Board, up: float, half: float) -> None:
    board.disc((0, up), (half, half), _RED)
    board.disc((0, up), (half * 0.74, half * 0.74), WHITE)
    if board.stage.chance(0.6):
        for right in (-0.22, 0.22):
            board.disc((right * half, up), (half * 0.17, half * 0.3), BLACK)


def _no_entry(board: Board, up: float, half: float) -> None:
    board.disc((0, up), (half, half), _RED)
    _box(board, half * 0.7, (up - half * 0.16, up + half * 0.16), WHITE)


def _command(board: Board, up: float, half: float) -> None:
    board.disc((0, up), (half, half), _BLUE)
    board.limb([(-half * 0.4, up - half * 0.4), (half * 0.4, up + half * 0.4)], WHITE, half * 0.28)


def _warning(board: Board, up: float, half: float) -> None:
    for size, color in ((1.1, _RED), (0.7, WHITE)):
        r = half * size
        middle = up - half * 0.12
        board.polygon(
            [(-r, middle - r * 0.7), (r, middle - r * 0.7), (0, middle + r)], color
        )  # fmt: skip
    board.limb([(0, up - half * 0.35), (0, up + half * 0.1)], BLACK, half * 0.16)


def _parking(board: Board, up: float, half: float) -> None:
    _box(board, half * 0.9, (up - half * 0.9, up + half * 0.9), _BLUE)
    board.limb([(-half * 0.3, up - half * 0.55), (-half * 0.3, up + half * 0.5)], WHITE, half * 0.2)
    board.disc((half * 0.02, up + half * 0.22), (half * 0.4, half * 0.36), WHITE)


def _stop(board: Board, up: float, half: float) -> None:
    eighths = [(i + 0.5) * pi / 4 for i in range(8)]
    board.polygon([(half * cos(a), up + half * sin(a)) for a in eighths], _RED)
    _box(board, half * 0.66, (up - half * 0.2, up + half * 0.2), WHITE)


_PLATES: tuple[Callable[[Board, float, float], None], ...] = (
    _ban,
    _no_entry,
    _command,
    _warning,
    _parking,
    _stop,
)
