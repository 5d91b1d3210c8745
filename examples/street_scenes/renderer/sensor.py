"""What surfaces and the camera add to flat colors: grain, blur, cast and noise."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from examples.street_scenes.renderer.labels import BUILDING, FENCE, PAVEMENT, ROAD, SKY, TREE

#: Standard deviation of the grain in gray levels: (blotches, speckle) for rough
#: surfaces; all other classes get `_SMOOTH`.
_GRAIN = {
    SKY: (0.0, 0.5),
    BUILDING: (4.0, 4.0),
    ROAD: (4.0, 5.0),
    PAVEMENT: (4.0, 5.0),
    TREE: (9.0, 12.0),
    FENCE: (3.0, 4.0),
}
_SMOOTH = (2.0, 2.0)
#: One field of noise serves all channels: far enough apart, they look independent.
_LONGEST_SHIFT = 4096


def expose(
    image: NDArray[np.uint8], label: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Turn a flat picture (H, W, 3) into one that looks photographed."""
    rough = image + _grain(label, rng)[:, :, None]
    blurred = _blur(np.clip(rough, 0, 255, out=rough).astype(np.uint8), rng)
    # Whole rows at once: numpy is slow where the last axis has three entries.
    rows, columns, _ = image.shape
    graded = blurred.reshape(rows, -1).astype(np.float32)
    graded *= np.tile(_cast(rng), columns)
    _add_noise(graded, rng)
    graded += np.float32(rng.normal(0, 8))
    return np.clip(graded, 0, 255, out=graded).astype(np.uint8).reshape(image.shape)


def _grain(label: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    table = np.array([_GRAIN.get(i, _SMOOTH) for i in range(12)], np.float32)
    # Each scene has its own roughness, so that grain alone never gives a class away.
    table *= rng.uniform(0.4, 1.4, table.shape).astype(np.float32)
    blotches = _field(label.shape, 12, rng) + _field(label.shape, 4, rng)
    speckle = rng.standard_normal(label.shape, np.float32)
    grain: NDArray[np.float32] = table[label, 0] * blotches + table[label, 1] * speckle
    return grain


def _field(shape: tuple[int, ...], cell: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return smooth noise (H, W) of about unit deviation, ``cell`` pixels to a bump."""
    rows, columns = shape[0] // cell + 2, shape[1] // cell + 2
    coarse = Image.fromarray(rng.standard_normal((rows, columns), np.float32))
    smooth = coarse.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(smooth, np.float32)


def _blur(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    radius = max(0.0, rng.uniform(-0.6, 0.9)) * image.shape[0] / 256
    if radius < 0.1:
        return image
    return np.asarray(Image.fromarray(image).filter(ImageFilter.BoxBlur(radius)))


def _cast(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a factor for each channel: exposure, and a slightly wrong white balance."""
    return (rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3)).astype(np.float32)


def _add_noise(rows: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Add noise to rows of RGB (H, 3W); all channels read one field, from different places."""
    field = rng.standard_normal(rows.size // 3 + _LONGEST_SHIFT, np.float32)
    field *= np.float32(rng.uniform(0.5, 5.0))
    pixels = rows.reshape(-1, 3)
    for channel, shift in enumerate(rng.integers(_LONGEST_SHIFT, size=3).tolist()):
        pixels[:, channel] += field[shift : shift + len(pixels)]
