"""What every node of a file computes and moves: multiply-accumulates, bytes at least and at most.

*At least* is what an engine moves that fuses as far as TensorRT is documented to: element-wise
nodes disappear into the product before them, the scores of attention never leave the chip, weights
are read once. *At most* is every node reading its inputs and writing its outputs. Views move
nothing either way. Our own operators count as their plugins, not as their functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import onnx
from onnx import ModelProto, NodeProto

from segpp import ops
from segpp.inspection.board.parts import parts_of
from segpp.inspection.onnx_macs import Shape, node_macs, values_of

__all__ = ["PRECISIONS", "Layer", "count_layers", "peak_activations", "weight_bytes"]

# What a file can be counted as, besides as it is.
PRECISIONS = ("fp32", "fp16", "int8")

_VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Constant", "Shape"}
# What TensorRT writes into the product before it, or reads on the way into the one behind it.
_FUSED = {
    *("Add", "Sub", "Mul", "Div", "Neg", "Abs", "Sqrt", "Pow", "Erf", "Tanh", "Exp", "Where"),
    *("Relu", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Gelu", "Clip", "Min", "Max"),
    *("Cast", "CastLike", "QuantizeLinear", "DequantizeLinear", "BatchNormalization"),
    *("Transpose", "Split", "Slice", "Softmax"),
}
_PRODUCTS = {"MatMul", "Gemm", "Conv", "ConvInteger", "MatMulInteger", "ConvTranspose"}
_INTEGER = {"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"}
# Four products with the corners' weights for every value that a bilinear resize gives.
_BILINEAR = 4
_TYPES: Mapping[int, str] = {
    onnx.TensorProto.FLOAT: "fp32",
    onnx.TensorProto.FLOAT16: "fp16",
    onnx.TensorProto.BFLOAT16: "bf16",
}
# INT8 leaves these in float, as segpp-calibrate does: no weight, or too little to gain.
_FLOAT_UNDER_CHANNELS = 16


@dataclass(frozen=True)
class Layer:
    """One node.

    Attributes:
        part: One of ``parts.PARTS``.
        operator: Its type.
        macs: Multiply-accumulates.
        precision: ``int8``, ``fp16``, ``bf16`` or ``fp32``.
        tensor_cores: Whether tensor cores compute it, rather than CUDA cores.
        least: Bytes moved at least; 0 where it disappears into others.
        most: Bytes moved at most.
    """

    part: str
    operator: str
    macs: int
    precision: str
    tensor_cores: bool
    least: int
    most: int


@dataclass(frozen=True)
class _Graph:
    """A graph as it is counted: what its tensors are, and who makes and reads them."""

    shapes: Mapping[str, Shape]
    types: Mapping[str, int]
    weights: frozenset[str]
    makers: Mapping[str, NodeProto]
    readers: Mapping[str, Sequence[NodeProto]]
    assumed: str | None

    def precision(self, name: str) -> str:
        own = _TYPES.get(self.types.get(name, 0), "fp32")
        return "fp16" if self.assumed in {"fp16", "int8"} and own == "fp32" else own

    def width(self, name: str) -> float:
        kind = self.types.get(name, onnx.TensorProto.FLOAT)
        if kind in _TYPES:
            return 4 if self.precision(name) == "fp32" else 2
        return onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize if kind else 4

    def size(self, name: str) -> int:
        return int(prod(self.shapes.get(name, ())) * self.width(name)) if name else 0


def count_layers(model: ModelProto, *, assumed: str | None = None) -> tuple[list[Layer], list[str]]:
    """Count every node of the graph; and name the operators whose shapes are not known.

    Args:
        model: With static shapes.
        assumed: One of ``PRECISIONS``, to count an FP32 file as if it were written in that.
    """
    graph = _graph_of(model, assumed)
    layers, unknown = [], []
    for node, part in zip(model.graph.node, parts_of(model), strict=True):
        if node.op_type in _VIEWS:
            continue
        if any(name not in graph.shapes for name in (*filter(None, node.input), *node.output[:1])):
            unknown.append(node.op_type)
            continue
        layers.append(_layer(node, part, graph))
    return layers, unknown


def weight_bytes(model: ModelProto, *, assumed: str | None = None) -> int:
    """Return how many bytes the file's constants take."""
    graph = _graph_of(model, assumed)
    int8 = {
        name
        for node in model.graph.node
        if assumed == "int8" and _is_quantizable(node, graph)
        for name in node.input[1:2]
    }
    return sum(
        prod(graph.shapes[name]) if name in int8 else graph.size(name) for name in graph.weights
    )


def peak_activations(model: ModelProto, *, assumed: str | None = None) -> int:
    """Return the most bytes that are alive at once, each node writing what it gives."""
    graph, nodes = _graph_of(model, assumed), model.graph.node
    last = {name: number for number, node in enumerate(nodes) for name in node.input}
    last |= {value.name: len(nodes) for value in model.graph.output}
    alive = {value.name for value in model.graph.input} - graph.weights
    peak = now = sum(map(graph.size, alive))
    for number, node in enumerate(nodes):
        # A view is its input under another name.
        made = 0 if node.op_type in _VIEWS else sum(map(graph.size, node.output))
        now += made
        peak = max(peak, now)
        for name in {*node.input, *node.output} - graph.weights:
            if last.get(name, number) == number and not _is_view(name, graph):
                now -= graph.size(name)
    return peak


def _is_view(name: str, graph: _Graph) -> bool:
    maker = graph.makers.get(name)
    return maker is not None and maker.op_type in _VIEWS


def _graph_of(model: ModelProto, assumed: str | None) -> _Graph:
    shapes, types = values_of(model)
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return _Graph(
        shapes=shapes,
        types=types,
        weights=frozenset(tensor.name for tensor in model.graph.initializer),
        makers={name: node for node in model.graph.node for name in node.output},
        readers=readers,
        assumed=assumed,
    )


def _layer(node: NodeProto, part: str, graph: _Graph) -> Layer:
    is_int8 = _is_int8(node, graph)
    sizes = [_size_read(name, graph, int8=is_int8) for name in node.input]
    written = sum(map(graph.size, node.output))
    return Layer(
        part=part,
        operator=node.op_type,
        macs=_macs(node, graph),
        precision="int8" if is_int8 else graph.precision(node.output[0]),
        tensor_cores=node.op_type in _PRODUCTS and not _is_depthwise(node, graph),
        least=_least(node, sizes, written, graph),
        most=0 if _is_folded(node, graph) else sum(sizes) + written,
    )


def _least(node: NodeProto, sizes: Sequence[int], written: int, graph: _Graph) -> int:
    if node.op_type in _FUSED:
        # Of two activations that meet one is there already, and the other is read.
        met = [size for name, size in zip(node.input, sizes, strict=True) if _flows(name, graph)]
        return sum(met) - max(met, default=0) if node.op_type in {"Add", "Mul", "Sub"} else 0
    if node.op_type in _PRODUCTS:
        kept = [_comes_from_softmax(name, graph) for name in node.input]
        read = sum(size for size, is_kept in zip(sizes, kept, strict=True) if not is_kept)
        return read + (0 if _goes_to_softmax(node.output[0], graph) else written)
    return sum(sizes) + written


def _flows(name: str, graph: _Graph) -> bool:
    """Whether a tensor is an activation of more than one value."""
    return name in graph.makers and prod(graph.shapes.get(name, ())) > 1


def _size_read(name: str, graph: _Graph, *, int8: bool) -> int:
    """Return the bytes of an input as it lies in memory: quantized, it is a byte a value."""
    return prod(graph.shapes.get(name, ())) if int8 and name else graph.size(name)


def _is_folded(node: NodeProto, graph: _Graph) -> bool:
    """Whether a node only turns one constant into another."""
    return bool(node.input) and all(name in graph.weights or not name for name in node.input)


def _is_int8(node: NodeProto, graph: _Graph) -> bool:
    if node.op_type in _INTEGER:
        return True
    if graph.assumed == "int8" and _is_quantizable(node, graph):
        return True
    makers = [_maker_behind_views(name, graph) for name in node.input[:2]]
    is_read_so = [maker is not None and maker.op_type == "DequantizeLinear" for maker in makers]
    return node.op_type in _PRODUCTS and len(makers) > 1 and all(is_read_so)


def _is_quantizable(node: NodeProto, graph: _Graph) -> bool:
    if node.op_type not in _PRODUCTS or _is_depthwise(node, graph):
        return False
    if len(node.input) < 2 or node.input[1] not in graph.weights:  # noqa: PLR2004 - data, weight
        return False
    return min(graph.shapes[node.input[1]][:2]) >= _FLOAT_UNDER_CHANNELS


def _is_depthwise(node: NodeProto, graph: _Graph) -> bool:
    groups = next((a.i for a in node.attribute if a.name == "group"), 1)
    return groups > 1 and len(node.input) > 1 and graph.shapes[node.input[1]][1] == 1


def _maker_behind_views(name: str, graph: _Graph) -> NodeProto | None:
    maker = graph.makers.get(name)
    while maker is not None and maker.op_type in _VIEWS | {"Transpose"} and maker.input:
        maker = graph.makers.get(maker.input[0])
    return maker


def _comes_from_softmax(name: str, graph: _Graph) -> bool:
    maker = graph.makers.get(name)
    while maker is not None and maker.op_type in {"Cast", *_VIEWS} and maker.input:
        maker = graph.makers.get(maker.input[0])
    return maker is not None and maker.op_type == "Softmax"


def _goes_to_softmax(name: str, graph: _Graph) -> bool:
    readers = graph.readers.get(name, ())
    while len(readers) == 1 and readers[0].op_type in {"Cast", "Mul", "Div", "Add", *_VIEWS}:
        readers = graph.readers.get(readers[0].output[0], ())
    return len(readers) == 1 and readers[0].op_type == "Softmax"


def _macs(node: NodeProto, graph: _Graph) -> int:
    if node.op_type in {"Resize", "Upsample"}:
        return _BILINEAR * prod(graph.shapes[node.output[0]])
    if node.domain == ops.DOMAIN and node.op_type == "SegppResizeArgmax":
        classes = graph.shapes[node.input[0]][1]
        return _BILINEAR * classes * prod(graph.shapes[node.output[0]])
    if node.domain == ops.DOMAIN and node.op_type != "SegppTokenMatch":
        # A plugin copies rows and adds them up, where the function multiplies by a one-hot matrix.
        return prod(graph.shapes[node.input[0]])
    return node_macs(node, graph.shapes) or 0
