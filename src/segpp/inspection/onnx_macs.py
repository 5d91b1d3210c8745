"""Multiply-accumulates of an ONNX graph, from the shapes it declares."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import onnx
from onnx import ModelProto, NodeProto, ValueInfoProto

from segpp import ops
from segpp.ops.grid import Grid
from segpp.ops.partition import BipartitePartition

__all__ = ["OnnxMacs", "Shape", "Shapes", "count_macs", "node_macs", "shapes_of", "values_of"]

Shape = tuple[int, ...]
# Of a picture of 8192x8192; the partition of more would fill the memory.
_MOST_TOKENS = 1 << 22
# Fully known shapes of values, by name.
Shapes = Mapping[str, Shape]


@dataclass(frozen=True)
class OnnxMacs:
    """Counts for one call, the whole batch.

    Args:
        graph: Standard operators.
        bodies: What our operators' functions compute; a plugin of the same name replaces them.
        uncounted: Nodes that multiply and could not be counted, by operator.
    """

    graph: int
    bodies: int
    uncounted: dict[str, int]


def shapes_of(model: ModelProto) -> Shapes:
    """Return the shapes of the graph's values, as declared or else as inferred."""
    return values_of(model)[0]


def values_of(model: ModelProto) -> tuple[Shapes, Mapping[str, int]]:
    """Return the shapes of the graph's values and their types, declared or else inferred."""
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # noqa: BLE001 - a foreign graph may break it in any way; what is declared stays
        graph = model.graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        if (shape := _static(value)) is not None:
            shapes[value.name] = shape
            types[value.name] = value.type.tensor_type.elem_type
    return shapes, types


def node_macs(node: NodeProto, shapes: Shapes) -> int | None:
    """Return the multiply-accumulates of a node; None where it has none or they are not known."""
    rule = (_BODIES if node.domain == ops.DOMAIN else _RULES).get(node.op_type)
    try:
        return None if rule is None else rule(node, shapes)
    except (KeyError, IndexError, ValueError, ZeroDivisionError):
        # A shape or an attribute is not there, or is nonsense.
        return None


def count_macs(model: ModelProto, shapes: Shapes) -> OnnxMacs:
    """Count the multiply-accumulates of convolutions and matrix products."""
    graph, bodies, uncounted = 0, 0, Counter[str]()
    without = _without_product(model)
    for node in model.graph.node:
        own = node.domain == ops.DOMAIN
        if node.op_type in without:
            continue
        macs = node_macs(node, shapes)
        if macs is None:
            if node.op_type in (_BODIES if own else {*_RULES, *_UNCOUNTED}):
                uncounted[node.op_type] += 1
        else:
            graph, bodies = (graph, bodies + macs) if own else (graph + macs, bodies)
    return OnnxMacs(graph, bodies, dict(uncounted))


def _without_product(model: ModelProto) -> set[str]:
    """Return the names of our operators whose function in the file multiplies no matrices."""
    return {
        function.name
        for function in model.functions
        if function.domain == ops.DOMAIN
        and not any(node.op_type in _RULES for node in function.node)
    }


def _static(value: ValueInfoProto) -> Shape | None:
    dims = value.type.tensor_type.shape.dim
    if not value.type.tensor_type.HasField("shape"):
        return None
    if not all(dim.HasField("dim_value") for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)


def _conv(node: NodeProto, shapes: Shapes) -> int:
    # The weight is (out, in / groups, height, width).
    return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])


def _matmul(node: NodeProto, shapes: Shapes) -> int:
    return prod(shapes[node.output[0]]) * shapes[node.input[0]][-1]


def _gemm(node: NodeProto, shapes: Shapes) -> int:
    rows, columns = shapes[node.input[0]]
    return prod(shapes[node.output[0]]) * (rows if _integers(node).get("transA") else columns)


def _match(node: NodeProto, shapes: Shapes) -> int:
    batch, _, dim = shapes[node.input[0]]
    values = _integers(node)
    grid = Grid(values["height"], values["width"])
    if grid.tokens > _MOST_TOKENS:
        raise ValueError(f"a grid of {grid}")
    partition = BipartitePartition(grid, values["stride_y"], values["stride_x"])
    return batch * partition.compared_pairs(values.get("window", 0)) * dim


def _merge(node: NodeProto, shapes: Shapes) -> int:
    # A one-hot (M, N) times the tokens and a column of ones; where slots of a single token are
    # known, those are copied and the others counted apart.
    batch, tokens, dim = shapes[node.input[0]]
    values = _integers(node)
    if singles := values.get("singles", 0):
        return batch * (values["slots"] - singles) * tokens * dim
    return batch * values["slots"] * tokens * (dim + 1)


def _attention(node: NodeProto, shapes: Shapes) -> int:
    # Queries (B, N, C) meet keys and values (B, M, C), once each.
    return 2 * prod(shapes[node.input[0]]) * shapes[node.input[1]][1]


def _integers(node: NodeProto) -> dict[str, int]:
    return {a.name: a.i for a in node.attribute if a.type == onnx.AttributeProto.INT}


_Rule = Callable[[NodeProto, Shapes], int]

_RULES: Mapping[str, _Rule] = {
    "Conv": _conv,
    "ConvInteger": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "MultiHeadAttention": _attention,
}
_BODIES: Mapping[str, _Rule] = {"SegppTokenMatch": _match, "SegppTokenMerge": _merge}
_UNCOUNTED = {"Attention", "ConvTranspose", "Einsum", "QLinearConv", "QLinearMatMul"}
