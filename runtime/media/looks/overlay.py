"""overlay: the classes painted over the image."""

from PIL import Image

from segpp.runtime.media.looks.base import (
    LOOKS,
    Look,
    RenderConfig,
    Segmented,
    painted,
    with_legend,
)


def _draw(shown: Segmented, config: RenderConfig) -> Image.Image:
    picture = painted(shown, shown.labels, config)
    return Image.fromarray(with_legend(picture, shown.labels, config))


LOOKS.register("overlay")(Look("the classes painted over the image", _draw))
