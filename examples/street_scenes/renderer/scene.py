"""One labelled street scene from a seed."""

import numpy as np
from numpy.typing import NDArray

from examples.street_scenes.renderer.camera import random_camera
from examples.street_scenes.renderer.canvas import Canvas
from examples.street_scenes.renderer.environment.ground import draw_building_shadows, draw_ground
from examples.street_scenes.renderer.environment.light import random_light
from examples.street_scenes.renderer.environment.roadside import roadside
from examples.street_scenes.renderer.environment.sky import draw_sky
from examples.street_scenes.renderer.environment.skyline import draw_skyline
from examples.street_scenes.renderer.environment.street import random_street
from examples.street_scenes.renderer.environment.traffic import traffic
from examples.street_scenes.renderer.objects.thing import in_painting_order
from examples.street_scenes.renderer.sensor import expose
from examples.street_scenes.renderer.stage import Stage
from segpp.errors import InputError

#: Below this there is no room for a street.
SMALLEST_SIDE = 64


def draw_scene(seed: int, height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one street scene and its label map.

    The same arguments always give the same bytes. Another size shows the same
    street through another window, not the same picture scaled.

    Args:
        seed: Any integer from 0 up; each gives another scene.
        height: Rows of the result, 64 or more.
        width: Columns of the result, 64 or more.

    Returns:
        The picture, RGB, (H, W, 3); and the class of every pixel, (H, W), by the
        ids of `examples.street_scenes.renderer.labels`.

    Raises:
        InputError: A side is below 64, or the seed is negative.
    """
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(f"a scene of {height}x{width} has a side below {SMALLEST_SIDE}")
    if seed < 0:
        raise InputError(f"seed {seed} is negative")
    rng = np.random.default_rng(seed)
    street = random_street(rng)
    canvas = Canvas(height, width)
    camera = random_camera(rng, canvas, street.traffic * street.half_road * 0.4)
    stage = Stage(canvas, camera, random_light(rng), rng)
    draw_sky(stage)
    draw_ground(stage, street)
    draw_skyline(stage)
    draw_building_shadows(stage, street)
    for thing in in_painting_order([*roadside(stage, street), *traffic(stage, street)], street):
        thing.draw()
    image, label = canvas.finished()
    return expose(image, label, rng), label
