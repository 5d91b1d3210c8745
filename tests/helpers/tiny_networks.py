"""A network small enough to check by eye: class 0, 1 or 2 where red, green or blue is strongest."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from segpp.manifest import (
    Architecture,
    Classes,
    FileInfo,
    InputSpec,
    Manifest,
    OutputSpec,
    Source,
    render_manifest,
)
from segpp.utils.files import manifest_path, sha256_of

HEIGHT, WIDTH = 32, 64

GRAPHS = {
    "logits": """(float[{b},3,32,64] image) => (float[{b},3,8,16] out) {{
        out = AveragePool<kernel_shape=[4,4], strides=[4,4]>(image)
    }}""",
    "labels": """(float[{b},3,32,64] image) => (int8[{b},32,64] out) {{
        best = ArgMax<axis=1, keepdims=0>(image)
        out = Cast<to=3>(best)
    }}""",
    "uint8": """(uint8[{b},32,64,3] image) => (float[{b},3,8,16] out) {{
        whole = Cast<to=1>(image)
        planes = Transpose<perm=[0,3,1,2]>(whole)
        out = AveragePool<kernel_shape=[4,4], strides=[4,4]>(planes)
    }}""",
    "nan": """(float[{b},3,32,64] image) => (float[{b},3,32,64] out) {{
        none = Sub(image, image)
        out = Div(none, none)
    }}""",
    "nine": """(float[{b},9,32,64] image) => (float[{b},9,8,16] out) {{
        out = AveragePool<kernel_shape=[4,4], strides=[4,4]>(image)
    }}""",
}

Network = Callable[..., Path]


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """Write one of GRAPHS as an ONNX file, with its manifest unless told otherwise."""

    def write(kind: str = "logits", *, batch: int = 1, manifest: bool = True) -> Path:
        path = tmp_path / "nets" / f"{kind}.onnx"
        path.parent.mkdir(exist_ok=True)
        write_graph(path, GRAPHS[kind].format(b=batch))
        if manifest:
            manifest_path(path).write_text(render_manifest(manifest_of(path, kind, batch)))
        return path

    return write


def write_graph(path: Path, text: str) -> None:
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 18]> colours {text}')
    onnx.checker.check_model(model)
    onnx.save(model, path)


def manifest_of(path: Path, kind: str, batch: int) -> Manifest:
    channels = 9 if kind == "nine" else 3
    shape = (batch, HEIGHT, WIDTH, 3) if kind == "uint8" else (batch, channels, HEIGHT, WIDTH)
    spec = InputSpec(
        name="image",
        shape=shape,
        dtype="uint8" if kind == "uint8" else "float32",
        layout="NHWC" if kind == "uint8" else "NCHW",
        colours="RGB",
        mean=(127.5,) * channels,
        std=(64.0,) * channels,
    )
    output = OutputSpec("out", "logits", (batch, channels, 8, 16), "float32")
    if kind == "labels":
        output = OutputSpec("out", "labels", (batch, HEIGHT, WIDTH), "int8")
    if kind == "nan":
        output = replace(output, shape=(batch, 3, HEIGHT, WIDTH))
    names = ("red", "green", "blue", *map(str, range(3, channels)))
    palette = ((200, 0, 0), (0, 200, 0), (0, 0, 200), *[(9, 9, i) for i in range(3, channels)])
    return Manifest(
        kind="onnx",
        segpp="0",
        file=FileInfo(path.name, sha256_of(path), path.stat().st_size),
        source=Source("none", "0" * 64, "none"),
        architecture=Architecture("colours", (), (), (), "none", 0, channels, channels),
        classes=Classes(names, palette),
        input=spec,
        outputs=(output,),
        reduction=(),
        precision="fp32",
        tools={},
    )


@pytest.fixture
def stripes() -> Callable[[int, int], np.ndarray]:
    """An image whose thirds are red, green and blue from left to right."""

    def paint(height: int, width: int) -> np.ndarray:
        image = np.zeros((height, width, 3), np.uint8)
        for third in range(3):
            image[:, third * width // 3 : (third + 1) * width // 3, third] = 255
        return image

    return paint


def thirds(labels: np.ndarray) -> list[int]:
    """The labels in the middle of each third."""
    height, width = labels.shape
    return [int(labels[height // 2, width * k // 6]) for k in (1, 3, 5)]
