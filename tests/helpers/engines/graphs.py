"""Graphs small enough to write down, and manifests for them."""

from pathlib import Path

from onnx import parser

from segpp.manifest import (
    Architecture,
    Classes,
    FileInfo,
    InputSpec,
    Manifest,
    OutputSpec,
    Parity,
    Source,
    render_manifest,
)
from segpp.utils.files import manifest_path, sha256_of

HEAD = '<ir_version: 8, opset_import: ["": 18]>'
ATTENTION = (
    HEAD
    + """ g (float[1,1,64,32] q, float[1,1,32,64] k, float[1,1,64,32] v) => (float[1,1,64,32] y) {
    scores = MatMul(q, k)
    weights = Softmax<axis = -1>(scores)
    y = MatMul(weights, v)
}"""
)
SOFTMAX_BY_HAND = ATTENTION.replace(
    "weights = Softmax<axis = -1>(scores)",
    """e = Exp(scores)
    sum = ReduceSum<keepdims = 1>(e, last)
    weights = Div(e, sum)""",
).replace("=> (float[1,1,64,32] y) {", "=> (float[1,1,64,32] y) <int64[1] last = {3}> {")
WRONG_SHAPES = (
    HEAD
    + """ g (float[1,3,8,8] x) => (float[1,3,8,8] y) <float[7] w = {1,2,3,4,5,6,7}> {
    [adder] y = Add(x, w)
}"""
)
UNKNOWN_OPERATOR = HEAD + " g (float[1,64] x) => (float[N] y) { [rare] y = Unique(x) }"
LARGE_TOPK = (
    HEAD
    + """ g (float[1,5000] x) => (float[1,4000] y) <int64[1] k = {4000}> {
    y, indices = TopK<axis = 1>(x, k)
}"""
)
OPEN_DIMENSION = HEAD + " g (float[N,3,8,8] x) => (float[N,3,8,8] y) { y = Relu(x) }"
# Makes the parser recurse until its stack ends.
RECURSIVE_FUNCTION = """<ir_version: 8, opset_import: ["": 18, "f": 1]>
g (float[1,8] x) => (float[1,8] y) { y = f.again(x) }
<domain: "f", opset_import: ["": 18, "f": 1]> again (a) => (b) { b = f.again(a) }"""


def write(path: Path, text: str) -> Path:
    path.write_bytes(parser.parse_model(text).SerializeToString())
    return path


def write_manifest(path: Path, *, sites: int, target: str = "portable") -> None:
    """Write a manifest for ``path`` whose network has ``sites`` blocks of attention."""
    manifest = Manifest(
        kind="onnx",
        segpp="0.1.0",
        file=FileInfo(path.name, sha256_of(path), path.stat().st_size),
        source=Source("b0.pth", "0" * 64, "nvlabs"),
        architecture=Architecture("test", (32,), (sites,), (1,), "mlp", 32, 1, 3),
        classes=Classes(("background", "road"), ((0, 0, 0), (9, 9, 9))),
        input=InputSpec(
            "q", (1, 3, 8, 8), "float32", "NCHW", "RGB", (0.0,) * 3, (1.0,) * 3
        ),
        outputs=(OutputSpec("y", "logits", (1, 1, 8, 8), "float32"),),
        reduction=(),
        precision="fp32",
        tools={"onnx": "1.0"},
        parity=Parity("street", "0" * 64, 1.0, 0.0, 1e-3, 0.999),
        options={"target": target},
    )  # fmt: skip
    manifest_path(path).write_text(render_manifest(manifest))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
