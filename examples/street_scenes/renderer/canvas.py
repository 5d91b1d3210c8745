"""Two drawings of one geometry: the picture and its label map."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from examples.street_scenes.renderer.color import Color

Pixel = tuple[float, float]

#: Both drawings are this many times larger than the result: the picture is
#: averaged down, the label map keeps every second pixel, so no label is mixed.
OVERSAMPLING = 2


class Canvas:
    """Draws into the picture and, where a label is given, into the label map."""

    def __init__(self, height: int, width: int) -> None:
        """Start a black picture whose label map says sky everywhere.

        Args:
            height: Rows of the result, in pixels.
            width: Columns of the result, in pixels.
        """
        size = (width * OVERSAMPLING, height * OVERSAMPLING)
        self.width, self.height = size
        self.image = Image.new("RGB", size)
        self.label = Image.new("L", size)
        self._paint = ImageDraw.Draw(self.image)
        self._veil = ImageDraw.Draw(self.image, "RGBA")
        self._name = ImageDraw.Draw(self.label)

    def polygon(self, points: Sequence[Pixel], color: Color, label: int | None = None) -> None:
        """Fill a polygon."""
        self._paint.polygon(points, fill=color)
        if label is not None:
            self._name.polygon(points, fill=label)

    def ellipse(self, center: Pixel, radii: Pixel, color: Color, label: int | None = None) -> None:
        """Fill an ellipse whose axes are those of the picture."""
        (x, y), (rx, ry) = center, radii
        box = (x - rx, y - ry, x + rx, y + ry)
        self._paint.ellipse(box, fill=color)
        if label is not None:
            self._name.ellipse(box, fill=label)

    def ring(self, center: Pixel, radii: Pixel, color: Color, width: float) -> None:
        """Outline an ellipse in the picture alone."""
        (x, y), (rx, ry) = center, radii
        box = (x - rx, y - ry, x + rx, y + ry)
        self._paint.ellipse(box, outline=color, width=max(1, round(width)))

    def line(
        self, points: Sequence[Pixel], color: Color, width: float, label: int | None = None
    ) -> None:
        """Draw a line through the points, ``width`` canvas pixels thick."""
        thick = max(1, round(width))
        self._paint.line(points, fill=color, width=thick, joint="curve")
        if label is not None:
            self._name.line(points, fill=label, width=thick, joint="curve")

    def label_polygon(self, points: Sequence[Pixel], label: int) -> None:
        """Name a polygon that the picture shows in pieces."""
        self._name.polygon(points, fill=label)

    def label_disc(self, center: Pixel, radius: float, label: int) -> None:
        """Name a disc that the picture shows in pieces."""
        x, y = center
        self._name.ellipse((x - radius, y - radius, x + radius, y + radius), fill=label)

    def darken(self, points: Sequence[Pixel], strength: float) -> None:
        """Lay a shadow of ``strength`` in [0, 1] over a polygon; labels stay."""
        self._veil.polygon(points, fill=(10, 12, 24, round(255 * strength)))

    def backdrop(self, picture: Image.Image, rows: int) -> None:
        """Fill the uppermost rows with another picture, stretched to fit."""
        self.image.paste(picture.resize((self.width, rows), Image.Resampling.BILINEAR))

    def finished(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the picture (H, W, 3) and the label map (H, W)."""
        image = np.asarray(self.image.reduce(OVERSAMPLING))
        label = np.asarray(self.label)[::OVERSAMPLING, ::OVERSAMPLING]
        return image, np.ascontiguousarray(label)
