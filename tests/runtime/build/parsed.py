"""Graphs written down: as files, and as the parser of TensorRT-RTX makes networks of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
from segpp.runtime.build.compile import make_logger, open_builder, parse_model
from segpp.utils.files import manifest_path, sha256_of

__all__ = [
    "ATTENTION",
    "HEAD",
    "LARGE_TOPK",
    "SOFTMAX_BY_HAND",
    "names",
    "parsed",
    "parsed_with_builder",
    "write",
    "write_manifest",
]

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
LARGE_TOPK = (
    HEAD
    + """ g (float[1,5000] x) => (float[1,4000] y) <int64[1] k = {4000}> {
    y, indices = TopK<axis = 1>(x, k)
}"""
)


def write(path: Path, text: str) -> Path:
    import onnx  # noqa: PLC0415 - who imports this file may lack it

    path.write_bytes(onnx.parser.parse_model(text).SerializeToString())
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


@contextmanager
def parsed_with_builder(graph: str, *, head: str = HEAD) -> Iterator[tuple[Any, Any]]:
    """Yield a builder, and the network of a graph in ONNX's textual form."""
    import onnx  # noqa: PLC0415 - who imports this file may lack it
    import tensorrt_rtx as trt  # noqa: PLC0415 - as above

    logger = make_logger(trt, lambda _severity, _text: None)
    builder = open_builder(trt, logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    model = onnx.parser.parse_model(head + graph).SerializeToString()
    parser = parse_model(trt, network, model, Path("g.onnx"), logger)
    yield builder, network
    # A network refers to what its parser holds.
    del parser


@contextmanager
def parsed(graph: str, *, head: str = HEAD) -> Iterator[tuple[Any, Any]]:
    """Yield the module, and the network of a graph in ONNX's textual form."""
    import tensorrt_rtx as trt  # noqa: PLC0415 - as above

    with parsed_with_builder(graph, head=head) as (_, network):
        yield trt, network
