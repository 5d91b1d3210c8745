"""Trees: a trunk and a crown of leaf clumps."""

import numpy as np

from examples.street_scenes.renderer.color import Color, pick, shade
from examples.street_scenes.renderer.labels import TREE
from examples.street_scenes.renderer.stage import Board, Stage

_LEAVES = (
    (72, 112, 48),
    (92, 128, 56),
    (58, 92, 52),
    (110, 126, 60),
    (148, 118, 48),
    (66, 100, 70),
)
_BARK = ((86, 68, 52), (104, 92, 78), (70, 60, 52))


def draw_tree(stage: Stage, x: float, z: float, height: float) -> None:
    """Draw a tree whose trunk stands at ``x``, ``z`` and whose top is at ``height`` meters."""
    board = Board(stage, x, z, TREE)
    slim = stage.chance(0.25)
    spread = height * (stage.between(0.13, 0.18) if slim else stage.between(0.26, 0.38))
    foot = height * (0.12 if slim else stage.between(0.25, 0.38))
    _cast_shadow(stage, x, z, height, spread)
    trunk = max(height * 0.05, stage.thinnest / board.scale)
    board.limb([(0, 0), (0, foot + spread * 0.4)], pick(stage.rng, _BARK), trunk)
    _draw_crown(board, pick(stage.rng, _LEAVES), (foot, height), spread)


def draw_hedge(stage: Stage, x: float, near: float, far: float, height: float) -> None:
    """Draw a row of bushes along the street."""
    leaves = pick(stage.rng, _LEAVES)
    z = far
    while z > near:
        board = Board(stage, x, z, TREE)
        _draw_crown(board, leaves, (-0.2, height), height * 0.8, clumps=12)
        z -= max(height * 0.9, z * 0.09)


def _draw_crown(
    board: Board, leaves: Color, span: tuple[float, float], spread: float, clumps: int = 56
) -> None:
    """Pile up clumps from the back to the front, dark below and bright on top."""
    rng, (low, high) = board.stage.rng, span
    clumps = max(10, min(clumps, int(spread * board.scale * 0.7)))
    angle = rng.uniform(0, 2 * np.pi, clumps)
    radius = np.sqrt(rng.random(clumps)) * 0.82
    # Early clumps lie low and dark, late ones high and bright.
    up = np.sort(np.sin(angle) * radius * 0.75 + rng.normal(0, 0.25, clumps)).clip(-0.82, 0.82)
    across = np.cos(angle) * radius * np.sqrt(1 - up**2)
    light = 0.66 + 0.5 * (up + 1) / 2 + rng.normal(0, 0.1, clumps)
    size = rng.uniform(0.16, 0.32, clumps) * min(spread, (high - low) / 2)
    middle, half = (low + high) / 2, (high - low) / 2
    board.disc((0, middle), (spread * 0.72, half * 0.72), shade(leaves, 0.62))
    for u, v, brightness, r in zip(
        across.tolist(), up.tolist(), light.tolist(), size.tolist(), strict=True
    ):
        center = (u * spread, middle + v * half * 0.9)
        board.disc(center, (r * 1.15, r), shade(leaves, brightness))


def _cast_shadow(stage: Stage, x: float, z: float, height: float, spread: float) -> None:
    middle = x + stage.light.sun * height * 0.6
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = [
        (middle + spread * 1.2 * c, 0.0, max(z + spread * s, 1.0))
        for c, s in zip(np.cos(turn).tolist(), np.sin(turn).tolist(), strict=True)
    ]
    stage.shadow(ring, 0.65)
