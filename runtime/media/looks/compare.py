"""compare: the overlays of two networks, and where they differ."""

import numpy as np
from PIL import Image

from segpp.errors import InputError
from segpp.images.drawing.differences import mark_differences, share_different
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
    labels, others = shown.labels, shown.others
    if others is None:
        raise InputError("there is no second network to compare with")
    share = share_different(labels, others, unseen=config.unseen)
    panels = [
        ("input", shown.image),
        (f"{share:.2%} of the pixels differ", mark_differences(shown.image, labels, others)),
        (config.models[0], painted(shown, labels, config)),
        (config.models[1], painted(shown, others, config)),
    ]
    return Image.fromarray(
        with_panel(arrange(panels, columns=2), np.stack([labels, others]), config)
    )


LOOKS.register("compare")(
    Look("two networks' overlays, and the pixels that differ", _draw, needs="others"),
)
