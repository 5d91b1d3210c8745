"""What the tests of the export write and read."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from segpp.images import sample_image
from tests.helpers.checkpoints import Write, theirs


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def save(content: object) -> Path:
        torch.save(content, tmp_path / "x.pth")
        return tmp_path / "x.pth"

    return save


@pytest.fixture
def hf_folder(tmp_path: Path) -> Path:
    """A folder as save_pretrained makes it."""
    made = tmp_path / "hf"
    made.mkdir()
    config = {
        "model_type": "segformer",
        "id2label": {"0": "road", "1": "sky", "2": "car"},
        "num_attention_heads": [1, 2, 5, 8],
        "hidden_act": "gelu",
        "strides": [4, 2, 2, 2],
        "layer_norm_eps": 1e-6,
    }
    preprocessor = {
        "size": {"height": 512, "width": 640},
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    (made / "config.json").write_text(json.dumps(config))
    (made / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    save_file(theirs("huggingface"), made / "model.safetensors")
    return made


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of two images and a file that is none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    with Image.open(sample_image()) as street:
        street.save(folder / "b.png")
        street.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "a.png")
    (folder / "notes.txt").write_text("no image")
    return folder
