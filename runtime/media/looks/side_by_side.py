"""side-by-side: the image, and beside it the image with its classes painted over it."""

from PIL import Image

from segpp.images.drawing.panels import arrange
from segpp.runtime.media.looks.base import (
    LOOKS,
    Look,
    RenderConfig,
    Segmented,
    painted,
    with_panel,
)


def _draw(shown: Segmented, config: RenderConfig) -> Image.Image:
    panels = [("input", shown.image), (config.models[0], painted(shown, shown.labels, config))]
    return Image.fromarray(with_panel(arrange(panels, columns=2), shown.labels, config))


LOOKS.register("side-by-side")(Look("the image, and the overlay beside it", _draw))
