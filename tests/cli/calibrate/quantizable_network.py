"""A network of five weighted products that tells which of red, green and blue is strongest."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from segpp.manifest import render_manifest
from segpp.utils.files import manifest_path
from tests.helpers.tiny_networks import HEIGHT, WIDTH, manifest_of

__all__ = ["PICTURES", "save_network", "save_pictures"]

PICTURES = 10

# Modules as a SegFormer's file names them, and the side of each kernel; all are close to identity.
MODULES = {
    "stages.0.patch_embed.conv": 4,
    "stages.0.blocks.0.ffn.fc1": 1,
    "stages.0.blocks.0.ffn.fc2": 1,
    "head.fuse.conv": 1,
    "head.classifier": 1,
}


def save_network(path: Path) -> Path:
    """Write the network, as segpp would, and its manifest."""
    draws = np.random.default_rng(0)
    nodes, weights, flow = [], [], "image"
    for number, (module, side) in enumerate(MODULES.items()):
        mixed = np.eye(3) + draws.uniform(-0.02, 0.02, (3, 3))
        kernel = np.repeat(mixed, side * side).reshape(3, 3, side, side) / side**2
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f"{module}.weight"))
        given = "out" if module.endswith("classifier") else f"x{number}"
        names = [flow, f"{module}.weight"]
        strides = [side, side]
        nodes.append(helper.make_node("Conv", names, [given], name=module, strides=strides))
        flow = given
    shapes = {"image": [1, 3, HEIGHT, WIDTH], "out": [1, 3, HEIGHT // 4, WIDTH // 4]}
    image, out = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items())
    graph = helper.make_graph(nodes, "colors", [image], [out], weights)
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="segpp")
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    manifest_path(path).write_text(render_manifest(manifest_of(path, "logits", 1)))
    return path


def save_pictures(folder: Path, *, count: int = PICTURES, labels: Path | None = None) -> Path:
    """Write pictures of patches of color, and if asked for which color is strongest where."""
    for one in filter(None, (folder, labels)):
        one.mkdir(parents=True)
    for number in range(count):
        patches = _patches(number)
        Image.fromarray(patches).save(folder / f"{number:02}.png")
        if labels:
            Image.fromarray(patches.argmax(2).astype(np.uint8)).save(labels / f"{number:02}.png")
    return folder


def _patches(number: int) -> NDArray[np.uint8]:
    drawn = np.random.default_rng(number).integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    return np.kron(drawn, np.ones((8, 8, 1), np.uint8))
