"""Which part of a network each node of a file belongs to, by the names of the weights around it."""

import re
from collections.abc import Mapping, Sequence

from onnx import ModelProto, NodeProto

from segpp import ops

__all__ = ["PARTS", "parts_of"]

# In the order of a report. ``other`` is what no name tells of, as in files of other exporters.
PARTS = (
    "patch embedding",
    "attention",
    "feed-forward",
    "matching",
    "head",
    "resize",
    "other",
)

_BY_NAME = (
    (re.compile(r"(^|\.)patch_embed\.|stages\.\d+\.norm\."), "patch embedding"),
    (re.compile(r"\.attention\.|\.norm1\."), "attention"),
    (re.compile(r"\.ffn\.|\.norm2\."), "feed-forward"),
    (re.compile(r"(^|\.)head\."), "head"),
)
_BY_OPERATOR = {"Resize": "resize", "Upsample": "resize", "SegppResizeArgmax": "resize"}
_PRODUCTS = {"MatMul", "Gemm", "Conv"}
_DEQUANTIZE = "DequantizeLinear"


def parts_of(model: ModelProto) -> list[str]:
    """Return a part of ``PARTS`` for every node of the graph, in its order.

    A node without weights belongs where the node before it does; a product whose weight lost its
    name to folding, where the bias behind it does.
    """
    nodes = model.graph.node
    weights = {tensor.name for tensor in model.graph.initializer}
    readers = _readers(nodes)
    # A quantized weight is read through a node of its own.
    renamed = {n.output[0]: n.input[0] for n in nodes if n.op_type == _DEQUANTIZE and n.input}
    parts, last = [], PARTS[-1]
    for node in nodes:
        if (own := _own_part(node, weights, readers, renamed)) is not None:
            # What follows a resize or a match has its own names again.
            parts.append(own)
            last = own if own not in {"resize", "matching"} else last
        else:
            parts.append(last)
    return parts


def _own_part(
    node: NodeProto,
    weights: set[str],
    readers: Mapping[str, NodeProto],
    renamed: Mapping[str, str],
) -> str | None:
    if node.op_type in _BY_OPERATOR:
        return _BY_OPERATOR[node.op_type]
    if node.domain == ops.DOMAIN:
        return "matching"
    if node.op_type == _DEQUANTIZE:
        return None
    names = [renamed.get(name, name) for name in node.input]
    if node.op_type in _PRODUCTS and node.output and (behind := readers.get(node.output[0])):
        names += behind.input
    for pattern, part in _BY_NAME:
        if any(name in weights and pattern.search(name) for name in names):
            return part
    return None


def _readers(nodes: Sequence[NodeProto]) -> dict[str, NodeProto]:
    return {name: node for node in reversed(nodes) for name in node.input}
