"""The sky: a gradient with clouds."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from examples.street_scenes.renderer.stage import Stage

_ROWS, _COLUMNS = 32, 96


def draw_sky(stage: Stage) -> None:
    """Fill the picture with sky down to the horizon; the label map starts as sky."""
    light, rng = stage.light, stage.rng
    depth = np.linspace(0, 1, _ROWS)[:, None, None] ** 1.3
    clear = (1 - depth) * np.array(light.zenith) + depth * np.array(light.haze)
    cover = _clouds(rng, light.cloudiness)[:, :, None]
    sky = clear * (1 - cover) + cover * np.array(light.cloud)
    picture = Image.fromarray(np.clip(sky, 0, 255).astype(np.uint8))
    stage.canvas.backdrop(picture, int(stage.camera.horizon) + 2)


def _clouds(rng: np.random.Generator, cloudiness: float) -> NDArray[np.float64]:
    """Return the opacity of the clouds (32, 96), in [0, 1]."""
    field = np.zeros((_ROWS, _COLUMNS))
    # Wider than high: clouds are seen from below, at a flat angle.
    for rows, columns, weight in ((4, 6, 1.0), (10, 14, 0.6), (24, 32, 0.3)):
        coarse = Image.fromarray(rng.standard_normal((rows, columns)).astype(np.float32))
        field += weight * np.asarray(coarse.resize((_COLUMNS, _ROWS), Image.Resampling.BICUBIC))
    threshold = np.quantile(field, 1 - cloudiness) if cloudiness > 0 else np.inf
    return np.clip((field - threshold) * 0.8, 0, 0.9)
