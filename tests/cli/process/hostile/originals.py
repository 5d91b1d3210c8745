"""Sound files of every kind that segpp reads, each as small as it can be."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from PIL import Image
from safetensors.torch import save_file

from segpp.manifest import render_manifest
from segpp.utils.files import manifest_path
from tests.helpers.checkpoints import lively, theirs
from tests.helpers.mmseg_reference import mmseg_logits
from tests.helpers.tiny_networks import GRAPHS, manifest_of

__all__ = ["write_originals"]

_CONFIG = {
    "model_type": "segformer",
    "hidden_act": "gelu",
    "num_attention_heads": [1, 2, 5, 8],
    "strides": [4, 2, 2, 2],
    "id2label": {"0": "road", "1": "car", "2": "sky"},
    "semantic_loss_ignore_index": 255,
    "layer_norm_eps": 1e-6,
}
_PREPROCESSOR = {
    "size": {"height": 64, "width": 64},
    "do_normalize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}
_META = {
    "CLASSES": ["road", "car", "sky"],
    "PALETTE": [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
    "config": "img_norm_cfg = dict(mean=[1, 2, 3], std=[4, 5, 6], to_rgb=True)",
}


def write_originals(folder: Path) -> None:
    """Write them: checkpoints, a Hugging Face folder, networks, images, labels, lists."""
    _checkpoints(folder)
    _reference(folder)
    _networks(folder)
    _images(folder)
    (folder / "names.txt").write_text("road\ncar\nsky\n")
    (folder / "names.json").write_text(json.dumps(["road", "car", "sky"]))
    (folder / "palette.json").write_text(json.dumps([[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
    (folder / "palette.txt").write_text("1 2 3\n4 5 6\n7 8 9\n")


def _checkpoints(folder: Path) -> None:
    state = theirs()
    torch.save({"state_dict": state, "meta": _META}, folder / "zip.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file(
        {name: tensor.contiguous() for name, tensor in state.items()}, folder / "a.safetensors"
    )
    whole = folder / "hf"
    whole.mkdir()
    (whole / "config.json").write_text(json.dumps(_CONFIG))
    (whole / "preprocessor_config.json").write_text(json.dumps(_PREPROCESSOR))
    named = theirs("huggingface")
    contiguous = {name: tensor.contiguous() for name, tensor in named.items()}
    save_file(contiguous, whole / "model.safetensors", {"format": "pt"})


def _reference(folder: Path) -> None:
    """Write a checkpoint, and what its owner's code gives for an input."""
    state = lively(theirs())
    torch.save(state, folder / "owner.pth")
    # Threads of OpenMP that wait here would be missed in every copy of this process.
    torch.set_num_threads(1)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    np.savez(folder / "owner.npz", x=x.numpy(), logits=mmseg_logits(state, x).numpy())


def _networks(folder: Path) -> None:
    text = GRAPHS["logits"].format(b=1)
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 18]> colours {text}')
    onnx.save(model, folder / "foreign.onnx")
    onnx.save(model, folder / "net.onnx")
    manifest = manifest_of(folder / "net.onnx", "logits", 1)
    manifest_path(folder / "net.onnx").write_text(render_manifest(replace(manifest)))


def _images(folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    for name in ("a.png", "a.jpg", "a.bmp", "a.gif", "a.tif", "a.webp"):
        Image.fromarray(pixels).save(folder / name)
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    Image.fromarray(pixels).save(folder / "images" / "0.png")
    Image.fromarray(pixels[..., 0] % 3).save(folder / "labels" / "0.png")
