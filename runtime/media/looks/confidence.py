"""confidence: how sure the network is of each pixel's class, with a scale."""

from PIL import Image

from segpp.errors import InputError
from segpp.images.drawing.confidence import draw_confidence
from segpp.runtime.media.looks.base import LOOKS, Look, RenderConfig, Segmented


def _draw(shown: Segmented, _: RenderConfig) -> Image.Image:
    if shown.confidence is None:
        raise InputError("there are no logits to compute a confidence from")
    return Image.fromarray(draw_confidence(shown.confidence))


LOOKS.register("confidence")(
    Look("probability of the class shown, with a scale", _draw, needs="confidence"),
)
