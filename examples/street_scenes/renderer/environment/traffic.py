"""Who moves through the street: cars, people, cyclists; and bins, which do not."""

from collections.abc import Iterator
from functools import partial
from math import cos, pi

import numpy as np

from examples.street_scenes.renderer.environment.street import Street
from examples.street_scenes.renderer.objects.car import Model, draw_car, random_model
from examples.street_scenes.renderer.objects.clutter import draw_bin
from examples.street_scenes.renderer.objects.cyclist import draw_cyclist
from examples.street_scenes.renderer.objects.person import draw_person
from examples.street_scenes.renderer.objects.thing import STREET, Thing
from examples.street_scenes.renderer.solid import Frame
from examples.street_scenes.renderer.stage import Stage


def traffic(stage: Stage, street: Street) -> Iterator[Thing]:
    """Yield everything that moves, and what people leave on the pavement."""
    parked = [bool(street.half_road > 4.0 and stage.chance(0.6)) for _ in range(2)]
    for side in (-1, 1):
        if parked[side > 0]:
            yield from _parked(stage, street, side)
        yield from _driving(stage, street, side)
        yield from _on_pavement(stage, street, side)
    yield from _crossing(stage, street)
    yield from _cyclists(stage, street)


def _heading(street: Street, side: int) -> float:
    """Return the heading of traffic on a side: away from the camera where it keeps to."""
    return 0.0 if side == street.traffic else pi


def _parked(stage: Stage, street: Street, side: int) -> Iterator[Thing]:
    x = side * (street.half_road - 1.05)
    near = max(stage.camera.nearest_visible_m(x, stage.canvas) * 0.6, 3.0) + stage.between(0, 6)
    while near < 55:
        model = random_model(stage)
        z = near + model.length / 2
        if stage.chance(0.72) and not street.in_junction(near - 3, near + model.length + 3):
            frame = Frame(x, z, _heading(street, side) + stage.between(-0.04, 0.04))
            yield _vehicle(stage, frame, model)
        near += model.length + stage.between(0.7, 2.5)


def _vehicle(stage: Stage, frame: Frame, model: Model) -> Thing:
    # By its near end: somebody on the pavement beside a bus is hidden by it.
    reach = model.length / 2 * abs(cos(frame.heading)) + 0.5
    return Thing(frame.z - reach, STREET, partial(draw_car, stage, frame, model))


def _driving(stage: Stage, street: Street, side: int) -> Iterator[Thing]:
    x = side * street.half_road * 0.4 + stage.between(-0.3, 0.3)
    z = stage.between(8, 26)
    while z < 70:
        model = random_model(stage)
        if stage.chance(0.7):
            frame = Frame(x, z, _heading(street, side) + stage.between(-0.06, 0.06))
            yield _vehicle(stage, frame, model)
        z += model.length + stage.between(4, 24)


def _crossing(stage: Stage, street: Street) -> Iterator[Thing]:
    """Yield cars and people that cross from side to side."""
    if street.junction is not None:
        near, far = street.junction
        for share, heading in ((0.3, pi / 2), (0.72, -pi / 2)):
            if stage.chance(0.5):
                reach = street.half_road + 6
                frame = Frame(stage.between(-reach, reach), near + (far - near) * share, heading)
                yield _vehicle(stage, frame, random_model(stage))
    if stage.chance(0.45):
        z = stage.between(7, 18)
        for _ in range(int(stage.rng.integers(1, 4))):
            x = stage.between(-street.half_road, street.half_road)
            place = z + stage.between(-0.8, 0.8)
            yield Thing(place, STREET, partial(draw_person, stage, x, place))


def _on_pavement(stage: Stage, street: Street, side: int) -> Iterator[Thing]:
    inner = abs(street.inner_edge(side)) - 0.35
    first = stage.camera.nearest_visible_m(side * inner, stage.canvas) + 0.8
    for _ in range(int(stage.rng.integers(0, 6))):
        # Squared, so that more of them stand near, where they are large enough to learn.
        z = first + (24 - min(first, 20)) * float(stage.rng.random()) ** 2
        x = side * stage.between(street.half_road + 0.3, inner)
        if not street.in_junction(z - 0.5, z + 0.5):
            yield Thing(z, STREET, partial(draw_person, stage, x, z))
    if stage.chance(0.2):
        z, x = first + stage.between(0, 8), side * (inner - 0.2)
        yield Thing(z, STREET, partial(draw_bin, stage, x, z))


def _cyclists(stage: Stage, street: Street) -> Iterator[Thing]:
    for _ in range(int(stage.rng.choice((0, 1, 1, 2, 3)))):
        sideways = stage.chance(0.5)
        lane = float(np.sign(stage.between(-1, 1))) * (street.half_road - stage.between(0.6, 2.4))
        x = stage.between(-street.half_road, street.half_road) if sideways else lane
        first = stage.camera.nearest_visible_m(x, stage.canvas) + 1
        z = max(first, 4.5) + 11 * float(stage.rng.random()) ** 1.6
        yield Thing(z, STREET, partial(draw_cyclist, stage, x, z, sideways=sideways))
