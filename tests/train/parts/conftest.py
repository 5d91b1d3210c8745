"""Pictures of even and of striped areas, whose superpatches hold one class or several."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Twelve superpatches.
HEIGHT, WIDTH = 96, 128


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``images`` and ``labels``: one side is even, the other of stripes."""
    root, draw = tmp_path_factory.mktemp("stripes"), np.random.default_rng(0)
    for name in ("images", "labels"):
        (root / name).mkdir()
    bars = 1 + np.arange(WIDTH) // 4 % 2
    for number in range(24):
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        edge = draw.integers(WIDTH // 4, 3 * WIDTH // 4)
        columns = slice(0, edge) if draw.random() < 1 / 2 else slice(edge, WIDTH)
        labels[:, columns] = bars[columns]
        grays = np.array([draw.integers(60, 200), 40, 220])
        pixels = grays[labels][..., None] + draw.normal(0, 5, (HEIGHT, WIDTH, 3))
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        picture.save(root / "images" / f"{number:03}.png")
        Image.fromarray(labels).save(root / "labels" / f"{number:03}.png")
    return root
