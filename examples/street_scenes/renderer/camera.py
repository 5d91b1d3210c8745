"""A pinhole camera that looks down a street."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from examples.street_scenes.renderer.canvas import Canvas, Pixel

#: Metres: right of the middle of the road, above the ground, ahead of the camera.
Point = tuple[float, float, float]

#: Nearer points would be thrown too far out of the picture.
NEAREST_M = 0.5


@dataclass(frozen=True, slots=True)
class Camera:
    """Maps meters to canvas pixels.

    Args:
        focal: Focal length, in canvas pixels.
        center: Column of the vanishing point.
        horizon: Row of the horizon.
        x_m: Place of the camera, right of the middle of the road.
        y_m: Height of the camera above the road.
        bend: Curvature of the street, in 1/m; positive turns right.
    """

    focal: float
    center: float
    horizon: float
    x_m: float
    y_m: float
    bend: float

    def pixel(self, point: Point) -> Pixel:
        """Project one point."""
        x, y, z = point
        z = max(z, NEAREST_M)
        column = self.center + self.focal * ((x - self.x_m) / z + self.bend * z)
        return column, self.horizon + self.focal * (self.y_m - y) / z

    def pixels(self, points: Iterable[Point]) -> list[Pixel]:
        """Project several points."""
        return [self.pixel(point) for point in points]

    def nearest_visible_m(self, x: float, canvas: Canvas) -> float:
        """Return the depth at which a thing ``x`` meters to the side enters the picture."""
        side = x - self.x_m
        room = canvas.width - self.center if side > 0 else self.center
        return self.focal * abs(side) / max(room, 1.0)


def random_camera(rng: np.random.Generator, canvas: Canvas, lane_m: float) -> Camera:
    """Place a camera near the middle of the lane at ``lane_m``."""
    focal = canvas.height * rng.uniform(0.85, 1.25)
    return Camera(
        focal=focal,
        center=canvas.width * rng.uniform(0.36, 0.64),
        horizon=canvas.height * rng.uniform(0.38, 0.56),
        x_m=lane_m + rng.uniform(-0.8, 0.8),
        y_m=rng.uniform(1.3, 2.3),
        bend=rng.choice((0.0, 1.0)) * rng.uniform(-0.002, 0.002),
    )
