"""What stands beside the road: buildings, gardens, fences, trees and posts."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from examples.street_scenes.renderer.environment.street import FARTHEST_M, Street
from examples.street_scenes.renderer.objects.building import Building, draw_building
from examples.street_scenes.renderer.objects.fence import STYLES, draw_fence
from examples.street_scenes.renderer.objects.pole import draw_lamp, draw_mast
from examples.street_scenes.renderer.objects.sign import (
    draw_direction_board,
    draw_sign,
    draw_traffic_light,
)
from examples.street_scenes.renderer.objects.thing import BEHIND, EDGE, STREET, Thing
from examples.street_scenes.renderer.objects.tree import draw_hedge, draw_tree
from examples.street_scenes.renderer.stage import Stage


def roadside(stage: Stage, street: Street) -> Iterator[Thing]:
    """Yield everything that stands beside the road, on both sides."""
    for side in (-1, 1):
        if street.park(side):
            yield from _grove(stage, street, side)
        else:
            yield from _buildings(stage, street, side)
        if street.garden(side) > 0:
            yield from _garden(stage, street, side)
        yield from _fence(stage, street, side)
        yield from _avenue(stage, street, side)
        yield from _lamps(stage, street, side)
        yield from _signs(stage, street, side)


def _buildings(stage: Stage, street: Street, side: int) -> Iterator[Thing]:
    usual = stage.between(6, 16)
    wall = street.wall(side)
    for start, end in street.stretches():
        near, detached = max(start, 1.5), True
        while near < min(end, FARTHEST_M) - 2:
            far = min(near + stage.between(7, 20), end)
            height = max(4.5, usual + stage.between(-4, 4))
            block = Building(wall, near, far, height, detached)
            if far > stage.camera.nearest_visible_m(wall, stage.canvas):
                yield Thing(far, BEHIND, partial(draw_building, stage, block))
            detached = stage.chance(0.18)
            near = far + (stage.between(2, 6) if detached else 0.0)


def _grove(stage: Stage, street: Street, side: int) -> Iterator[Thing]:
    for z in np.geomspace(7, 90, int(stage.between(9, 16))).tolist():
        if not street.in_junction(z - 1, z + 1):
            x = street.inner_edge(side) + side * stage.between(2, 4 + z * 0.3)
            yield Thing(z, BEHIND, partial(draw_tree, stage, x, z, stage.between(6, 13)))


def _garden(stage: Stage, street: Street, side: int) -> Iterator[Thing]:
    middle = street.inner_edge(side) + side * street.garden(side) / 2
    for start, end in street.stretches():
        near = max(start, stage.camera.nearest_visible_m(middle, stage.canvas) * 0.8)
        far = min(end, 40.0)
        if near + 3 < far and stage.chance(0.6):
            hedge = partial(draw_hedge, stage, middle, near, far - 1, stage.between(0.8, 1.8))
            yield Thing(far, BEHIND, hedge)
        for z in np.arange(near + 2, far, stage.between(8, 14)).tolist():
            tree = partial(draw_tree, stage, middle, z, stage.between(3, 6.5))
            yield Thing(z, BEHIND, tree)


def _fence(stage: Stage, street: Street, side: int) -> Iterator[Thing]:
    style = STYLES[int(stage.rng.integers(len(STYLES)))]
    open_ground = street.park(side) or street.garden(side) > 0
    if stage.chance(0.85 if open_ground else 0.2):
        edge = street.inner_edge(side)
        first = stage.camera.nearest_visible_m(edge, stage.canvas) * 0.7
        yield from _run(stage, street, (edge, EDGE, style), (first, stage.between(18, 60)))
    elif stage.chance(0.4):
        kerb = side * (street.half_road + 0.3)
        first = stage.camera.nearest_visible_m(kerb, stage.canvas) + stage.between(0, 6)
        last = first + stage.between(5, 14)
        yield from _run(stage, street, (kerb, STREET, style), (first, last))


def _run(
    stage: Stage, street: Street, kind: tuple[float, int, str], span: tuple[float, float]
) -> Iterator[Thing]:
    """Yield a fence in pieces; those on the kerb have people behind them, so theirs are short."""
    x, layer, style = kind
    piece = 2.0 if layer == STREET else 6.0
    seed = int(stage.rng.integers(2**31))
    near = max(span[0], 1.0)
    while near + 0.5 < span[1]:
        far = min(near + piece, span[1])
        if not street.in_junction(near, far):
            # All pieces draw the same colors and height from the same seed.
            yield Thing(far if layer == EDGE else near, layer,
                        partial(draw_fence, stage.reseeded(seed), x, near, far, style))  # fmt: skip
        near = far


def _avenue(stage: Stage, street: Street, side: int) -> Iterator[Thing]:
    if not stage.chance(0.4):
        return
    x = side * (street.half_road + 0.8)
    first = stage.camera.nearest_visible_m(x, stage.canvas) + stage.between(2, 6)
    for z in np.arange(first, 60, stage.between(8, 16)).tolist():
        if not street.in_junction(z - 1, z + 1):
            yield Thing(z, STREET, partial(draw_tree, stage, x, z, stage.between(4, 8)))


def _lamps(stage: Stage, street: Street, side: int) -> Iterator[Thing]:
    if not stage.chance(0.7):
        return
    draw = draw_mast if stage.chance(0.25) else draw_lamp
    x = side * (street.half_road + 0.35)
    first = stage.camera.nearest_visible_m(x, stage.canvas) + stage.between(0.5, 6)
    # Farther posts would be thicker than life, since nothing gets too thin to learn.
    for z in np.arange(first, 34, stage.between(11, 20)).tolist():
        if not street.in_junction(z - 0.5, z + 0.5):
            yield Thing(z, STREET, partial(draw, stage, x, z))


_Draw = Callable[[Stage, float, float], None]


def _signs(stage: Stage, street: Street, side: int) -> Iterator[Thing]:
    x = side * (street.half_road + stage.between(0.3, 0.9))
    first = stage.camera.nearest_visible_m(x, stage.canvas) + 0.7
    if street.junction is not None and stage.chance(0.7) and street.junction[0] - 1 > first:
        z = street.junction[0] - 0.8
        yield Thing(z, STREET, partial(draw_traffic_light, stage, x, z))
    draw: _Draw
    for place in range(int(stage.rng.integers(0, 3))):
        z = first + 7 * place + stage.between(0, 6)
        draw = draw_direction_board if stage.chance(0.22) else draw_sign
        if not street.in_junction(z - 0.5, z + 0.5):
            yield Thing(z, STREET, partial(draw, stage, x, z))
