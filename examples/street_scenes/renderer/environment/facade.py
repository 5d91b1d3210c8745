"""What a wall carries: windows, shop fronts, doors and bands."""

from dataclasses import dataclass
from math import dist

from examples.street_scenes.renderer.camera import Point
from examples.street_scenes.renderer.color import GLASS, WHITE, Color, mix, pick, shade
from examples.street_scenes.renderer.stage import Stage

Wall = tuple[Point, Point, Point, Point]

_AWNINGS = ((150, 40, 44), (40, 84, 60), (44, 62, 110), (190, 150, 60), (70, 60, 66))
_LIT: Color = (255, 214, 130)
_STOREY_M = 3.1
#: Smaller windows, in canvas pixels, are left out: they would only be noise.
_SMALLEST = 4.0


@dataclass(frozen=True, slots=True)
class Facade:
    """The pattern of a wall; shares are of one storey or one bay."""

    storeys: int
    bay_m: float
    window: tuple[float, float]
    frame: Color | None
    shop: Color | None
    bands: bool

    @classmethod
    def random(cls, stage: Stage, height_m: float) -> "Facade":
        """Draw a pattern for a wall of this height."""
        glass = stage.chance(0.15)
        return cls(
            storeys=max(1, round(height_m / _STOREY_M)),
            bay_m=stage.between(2.2, 4.2),
            window=(0.9, 0.82) if glass else (stage.between(0.35, 0.6), stage.between(0.45, 0.62)),
            frame=pick(stage.rng, (WHITE, (90, 70, 56))) if stage.chance(0.6) else None,
            shop=pick(stage.rng, _AWNINGS) if stage.chance(0.4) else None,
            bands=stage.chance(0.5),
        )


def draw_facade(stage: Stage, wall: Wall, facade: Facade, color: Color, facing: float) -> None:
    """Draw the pattern onto a wall given by its corners, from the left foot to the left top."""
    bays = max(1, int(dist(wall[0], wall[1]) / facade.bay_m))
    first = 0
    if facade.shop is not None:
        _draw_shop(stage, wall, facade, facing)
        first = 1
    if facade.bands:
        _draw_bands(stage, wall, facade, shade(color, 0.82), facing)
    if not _worth_drawing(stage, wall, facade, bays):
        return
    for storey in range(first, facade.storeys):
        for bay in range(bays):
            _draw_window(stage, wall, facade, (bay, bays, storey), facing)


def part(wall: Wall, left: float, right: float, bottom: float, top: float) -> Wall:
    """Cut a rectangle out of a wall; the four numbers are shares of its sides."""
    (x0, y0, z0), (x1, _, z1), (_, y1, _), _ = wall

    def at(along: float, up: float) -> Point:
        return x0 + (x1 - x0) * along, y0 + (y1 - y0) * up, z0 + (z1 - z0) * along

    return at(left, bottom), at(right, bottom), at(right, top), at(left, top)


def _worth_drawing(stage: Stage, wall: Wall, facade: Facade, bays: int) -> bool:
    return _columns(stage, wall) / bays * facade.window[0] >= _SMALLEST


def _columns(stage: Stage, wall: Wall) -> float:
    """Return the width of a wall in the picture, in canvas pixels."""
    return abs(stage.camera.pixel(wall[1])[0] - stage.camera.pixel(wall[0])[0])


def _draw_window(
    stage: Stage, wall: Wall, facade: Facade, place: tuple[int, int, int], facing: float
) -> None:
    bay, bays, storey = place
    middle, width = (bay + 0.5) / bays, facade.window[0] / bays
    # A storey's window sits a little above the middle of the storey.
    center, height = (storey + 0.54) / facade.storeys, facade.window[1] / facade.storeys
    left, right, low, high = (
        middle - width / 2,
        middle + width / 2,
        center - height / 2,
        center + height / 2,
    )
    corner = part(wall, left, right, low, high)
    if not -50 < stage.camera.pixel(corner[0])[0] < stage.canvas.width + 50:
        return
    if facade.frame is not None and _columns(stage, corner) > 3 * _SMALLEST:
        edge = part(wall, left - width * 0.1, right + width * 0.1, low - height * 0.08, high)
        stage.face(edge, facade.frame, None, facing)
    stage.face(corner, _pane(stage), None, facing)


def _pane(stage: Stage) -> Color:
    if stage.light.dusk and stage.chance(0.35):
        return _LIT
    return mix(GLASS, stage.light.haze, float(stage.rng.random()) * 0.45)


def _draw_shop(stage: Stage, wall: Wall, facade: Facade, facing: float) -> None:
    if facade.shop is None:
        return
    top = 1 / facade.storeys
    glass = _LIT if stage.light.dusk else mix(GLASS, stage.light.haze, 0.15)
    stage.face(part(wall, 0.02, 0.98, 0, top * 0.95), shade(facade.shop, 0.55), None, facing)
    panes = max(2, int(dist(wall[0], wall[1]) / 2.6))
    for pane in range(panes):
        left, right = (pane + 0.1) / panes, (pane + 0.9) / panes
        bottom = 0.0 if pane % 3 == 1 else top * 0.14
        stage.face(part(wall, left, right, bottom, top * 0.7), glass, None, facing)
    stage.face(part(wall, 0.02, 0.98, top * 0.74, top * 0.95), facade.shop, None, facing)


def _draw_bands(stage: Stage, wall: Wall, facade: Facade, color: Color, facing: float) -> None:
    for storey in range(1, facade.storeys + 1):
        level = storey / facade.storeys
        thick = 0.12 if storey < facade.storeys else 0.3
        band = part(wall, 0, 1, level - thick / facade.storeys, level)
        stage.face(band, color, None, facing)
