"""What every drawing function gets: canvas, camera, light and chance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from examples.street_scenes.renderer.camera import Camera, Point
from examples.street_scenes.renderer.canvas import OVERSAMPLING, Canvas, Pixel
from examples.street_scenes.renderer.color import Color
from examples.street_scenes.renderer.environment.light import Light

#: Thin things stay this share of the picture's height thick (4 of 256 pixels),
#: since a network with an output stride of 4 cannot learn thinner ones.
THINNEST = 4 / 256


@dataclass(frozen=True, slots=True)
class Stage:
    """Draws faces given in meters."""

    canvas: Canvas
    camera: Camera
    light: Light
    rng: np.random.Generator

    def face(
        self,
        corners: Sequence[Point],
        color: Color,
        label: int | None = None,
        facing: float = 1.0,
    ) -> None:
        """Fill a flat face, lit, and hazed by its nearest corner, where most pixels lie."""
        depth = min(corner[2] for corner in corners)
        lit = self.light.on(color, max(depth, 0.0), facing)
        self.canvas.polygon(self.camera.pixels(corners), lit, label)

    def shadow(self, corners: Sequence[Point], strength: float = 1.0) -> None:
        """Darken a face, usually on the ground."""
        self.canvas.darken(self.camera.pixels(corners), self.light.shadow * strength)

    def pixels_per_meter(self, depth_m: float) -> float:
        """Return the scale at a depth, in canvas pixels per meter."""
        return self.camera.focal / depth_m

    @property
    def thinnest(self) -> float:
        """Width of the thinnest labelled thing, in canvas pixels."""
        return max(THINNEST * self.canvas.height, OVERSAMPLING)

    def reseeded(self, seed: int) -> "Stage":
        """Return the same stage with its own chance, for things that come in equal pieces."""
        return replace(self, rng=np.random.default_rng(seed))

    def chance(self, share: float) -> bool:
        """Say yes in ``share`` of all calls."""
        return bool(self.rng.random() < share)

    def between(self, low: float, high: float) -> float:
        """Draw a number evenly from [low, high)."""
        return float(self.rng.uniform(low, high))


@dataclass(frozen=True, slots=True)
class Board:
    """An upright plane at one depth, turned to the camera: ``right`` and ``up`` in meters."""

    stage: Stage
    x: float
    z: float
    label: int
    mirrored: bool = False

    @property
    def scale(self) -> float:
        """Canvas pixels per meter."""
        return self.stage.pixels_per_meter(self.z)

    def at(self, right: float, up: float) -> Pixel:
        """Project a point of the plane."""
        side = -right if self.mirrored else right
        return self.stage.camera.pixel((self.x + side, up, self.z))

    def polygon(self, points: Sequence[Pixel], color: Color) -> None:
        """Fill a polygon."""
        lit = self.stage.light.on(color, self.z)
        self.stage.canvas.polygon([self.at(*point) for point in points], lit, self.label)

    def disc(self, center: Pixel, radii: Pixel, color: Color) -> None:
        """Fill an ellipse."""
        lit = self.stage.light.on(color, self.z)
        size = (radii[0] * self.scale, radii[1] * self.scale)
        self.stage.canvas.ellipse(self.at(*center), size, lit, self.label)

    def ring(self, center: Pixel, radius: float, color: Color, width: float) -> None:
        """Outline a circle in the picture; its inside shows what is behind."""
        lit = self.stage.light.on(color, self.z)
        size = (radius * self.scale, radius * self.scale)
        self.stage.canvas.ring(self.at(*center), size, lit, width * self.scale)

    def limb(self, points: Sequence[Pixel], color: Color, width: float) -> None:
        """Draw a line with round ends, ``width`` meters thick."""
        lit = self.stage.light.on(color, self.z)
        pixels = [self.at(*point) for point in points]
        thick = width * self.scale
        self.stage.canvas.line(pixels, lit, thick, self.label)
        for end in (pixels[0], pixels[-1]):
            self.stage.canvas.ellipse(end, (thick / 2, thick / 2), lit, self.label)
