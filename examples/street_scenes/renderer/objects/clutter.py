"""Things of no class: bins, boxes and bollards, which a label map ignores."""

from examples.street_scenes.renderer.color import pick, shade
from examples.street_scenes.renderer.labels import IGNORE
from examples.street_scenes.renderer.stage import Board, Stage

_PAINTS = ((170, 30, 34), (60, 84, 66), (70, 72, 78), (190, 160, 60))


def draw_bin(stage: Stage, x: float, z: float) -> None:
    """Draw a box on the pavement that belongs to none of the classes."""
    board = Board(stage, x, z, IGNORE)
    half, tall = stage.between(0.22, 0.4), stage.between(0.8, 1.4)
    paint = pick(stage.rng, _PAINTS)
    board.polygon([(-half, 0), (half, 0), (half, tall), (-half, tall)], paint)
    board.disc((0, tall), (half, half * 0.4), shade(paint, 0.8))
    board.polygon(
        [(-half * 0.6, tall * 0.7), (half * 0.6, tall * 0.7), (half * 0.6, tall * 0.8),
         (-half * 0.6, tall * 0.8)],
        (20, 20, 22),
    )  # fmt: skip
