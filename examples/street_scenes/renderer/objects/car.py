"""Cars, vans and buses, seen from any side."""

from dataclasses import dataclass
from math import cos, pi, sin

from examples.street_scenes.renderer.color import BLACK, GLASS, Color, mix, pick, shade
from examples.street_scenes.renderer.labels import CAR
from examples.street_scenes.renderer.solid import Frame, Prism, Quad, visible_faces, within
from examples.street_scenes.renderer.stage import Stage

_PAINTS = (
    (196, 198, 202),
    (42, 44, 50),
    (232, 232, 230),
    (150, 30, 34),
    (40, 66, 120),
    (110, 114, 120),
    (60, 92, 78),
    (196, 160, 70),
    (92, 140, 180),
)
#: Below this many canvas pixels per meter, trim would be only noise.
_DETAILED = 12.0
_FACING = {"top": 1.18, "front": 0.95, "back": 0.92, "side": 0.82}


@dataclass(frozen=True, slots=True)
class Model:
    """A vehicle's shape, in meters; the cabin is given by its ends at the belt and at the roof."""

    length: float
    half: float
    belt: float
    roof: float
    cabin_foot: tuple[float, float]
    cabin_top: tuple[float, float]


HATCH = Model(3.9, 0.86, 0.92, 1.48, (-1.93, 0.95), (-1.5, 0.25))
SALOON = Model(4.6, 0.9, 0.9, 1.42, (-1.7, 1.05), (-1.0, 0.3))
ESTATE = Model(4.6, 0.92, 1.0, 1.66, (-2.27, 1.1), (-2.0, 0.5))
VAN = Model(5.2, 1.0, 1.25, 2.3, (-2.58, 1.9), (-2.55, 1.3))
BUS = Model(9.5, 1.2, 1.3, 3.0, (-4.73, 4.73), (-4.7, 4.65))
_MODELS = (HATCH, HATCH, SALOON, SALOON, ESTATE, ESTATE, VAN, BUS)


def random_model(stage: Stage) -> Model:
    """Draw a model; one in eight is a van, one in eight a bus."""
    return _MODELS[int(stage.rng.integers(len(_MODELS)))]


def draw_car(stage: Stage, frame: Frame, model: Model) -> None:
    """Draw a vehicle whose middle is at the frame's place."""
    paint = pick(stage.rng, _PAINTS, 18)
    _cast_shadow(stage, frame, model)
    _draw_wheels_end(stage, frame, model)
    half = model.length / 2
    body = Prism((-half, half), (-half, half), (model.half, model.half), (0.28, model.belt))
    for name, quad in visible_faces(body, frame, stage.camera):
        stage.face(quad, paint, CAR, _FACING[name])
        _draw_trim(stage, name, quad, paint)
    _draw_wheels_side(stage, frame, model)
    cabin = Prism(
        model.cabin_foot, model.cabin_top, (model.half * 0.98, model.half * 0.82),
        (model.belt, model.roof),
    )  # fmt: skip
    for name, quad in visible_faces(cabin, frame, stage.camera):
        stage.face(quad, paint, CAR, _FACING[name])
        _draw_glass(stage, name, quad)


def _cast_shadow(stage: Stage, frame: Frame, model: Model) -> None:
    half, wide = model.length / 2 + 0.15, model.half + 0.15
    feet = [frame.point(a * half, b * wide, 0) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    stage.shadow(feet, 1.3)
    reach = stage.light.sun * model.roof * 0.7
    stage.shadow([(x + reach * (i % 2), y, z) for i, (x, y, z) in enumerate(feet)], 0.6)


def _draw_trim(stage: Stage, name: str, quad: Quad, paint: Color) -> None:
    """Add lamps, bumper and number plate, or a crease along the side."""
    if name == "top" or stage.pixels_per_meter(quad[0][2]) < _DETAILED:
        return
    stage.face(within(quad, 0, 1, 0, 0.24), shade(paint, 0.45), None)
    if name == "side":
        stage.face(within(quad, 0.02, 0.98, 0.62, 0.68), shade(paint, 0.66), None)
        return
    lamp = (200, 26, 30) if name == "back" else (250, 246, 214)
    stage.face(within(quad, 0.03, 0.22, 0.5, 0.86), lamp, None)
    stage.face(within(quad, 0.78, 0.97, 0.5, 0.86), lamp, None)
    stage.face(within(quad, 0.36, 0.64, 0.3, 0.5), (236, 226, 150), None)
    if name == "front":
        stage.face(within(quad, 0.28, 0.72, 0.56, 0.8), BLACK, None)


def _draw_glass(stage: Stage, name: str, quad: Quad) -> None:
    if name == "top":
        return
    glass = mix(GLASS, stage.light.haze, stage.between(0.05, 0.35))
    panes = ((0.06, 0.47), (0.53, 0.93)) if name == "side" else ((0.08, 0.92),)
    for left, right in panes:
        stage.face(within(quad, left, right, 0.1, 0.86), glass, None)


def _draw_wheels_end(stage: Stage, frame: Frame, model: Model) -> None:
    """Draw the tyres as seen from the front or the back, and the dark under the car."""
    for ahead in (0.3, -0.3):
        for right in (-1, 1):
            outer, inner = right * (model.half - 0.03), right * (model.half - 0.26)
            axle = ahead * model.length
            tyre = Prism(
                (axle - 0.3, axle + 0.3), (axle - 0.3, axle + 0.3), (0, 0), (0, 0.5)
            )  # fmt: skip
            for end in tyre.foot:
                feet = [frame.point(end, outer, 0), frame.point(end, inner, 0)]
                tops = [frame.point(end, inner, 0.5), frame.point(end, outer, 0.5)]
                stage.face([*feet, *tops], BLACK, CAR)
    half = model.length / 2 - 0.1
    under = Prism((-half, half), (-half, half), (model.half - 0.1, model.half - 0.1), (0.14, 0.4))
    for _, quad in visible_faces(under, frame, stage.camera):
        stage.face(quad, BLACK, CAR)


def _draw_wheels_side(stage: Stage, frame: Frame, model: Model) -> None:
    middle = frame.point(0, 0, 0)
    for right in (-1, 1):
        at = frame.point(0, right * model.half, 0)
        outward = (at[0] - middle[0], at[2] - middle[2])
        if outward[0] * (stage.camera.x_m - at[0]) + outward[1] * (0 - at[2]) <= 0:
            continue
        for axle in (-0.3, 0.3):
            for radius, color in ((0.34, BLACK), (0.2, (140, 142, 146))):
                rim = [
                    frame.point(
                        axle * model.length + radius * cos(turn * pi / 6),
                        right * (model.half + 0.01),
                        0.34 + radius * sin(turn * pi / 6),
                    )
                    for turn in range(12)
                ]
                stage.face(rim, color, CAR)
