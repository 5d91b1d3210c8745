"""Two images with labels, and models whose scores on them are known."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

onnx = pytest.importorskip("onnx")

# The logits of class 0 are -x, those of class 1 +x, of the normalised red channel: class 1 where
# red is above ImageNet's mean of 124.
BRIGHT = """
<ir_version: 8, opset_import: ["": 18]>
g (float[1,3,8,8] image) => (float[1,2,8,8] logits)
  <float[2,3,1,1] w = {-1, 0, 0, 1, 0, 0}> { logits = Conv(image, w) }
"""
# The other way round.
DARK = BRIGHT.replace("{-1, 0, 0, 1, 0, 0}", "{1, 0, 0, -1, 0, 0}")
THREE_CLASSES = BRIGHT.replace("[1,2,8,8] logits", "[1,3,8,8] logits").replace(
    "float[2,3,1,1] w = {-1, 0, 0, 1, 0, 0}", "float[3,3,1,1] w = {-1, 0, 0, 1, 0, 0, 0, 0, 0}"
)


def write_model(path: Path, text: str) -> Path:
    onnx.save(onnx.parser.parse_model(text), path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two images of 8x8: a bright left half, labelled 1; of the second one row is ignored."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, :4] = 255
    for name, ignored_rows in (("a", 0), ("b", 1)):
        labels = (pixels[..., 0] > 0).astype(np.uint8)
        labels[:ignored_rows] = 255
        for kind, array in (("images", pixels), ("labels", labels)):
            folder = tmp_path / "data" / kind
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(folder / f"{name}.png")
    return tmp_path / "data"


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    return [
        write_model(tmp_path / "bright.onnx", BRIGHT),
        write_model(tmp_path / "dark.onnx", DARK),
    ]
