"""What stays FP32 in a file of half precision: by what it computes, or because its range says so.

FP16 ends at 65,504; what is larger is infinite, and the difference of two infinities is no number.
Users meet that in the scores of attention. So the FP32 graph runs on a picture, and what comes
within ``MARGIN`` of the limit is computed in FP32, on both sides of the value. BF16 has the range
of FP32 and needs no such islands.
"""

import re
from collections.abc import Collection, Iterator, Mapping

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from segpp.export.onnx_graph.mixed_precision import float_names
from segpp.manifest import Island
from segpp.utils.limits import default_threads

__all__ = [
    "FP32_OPERATORS",
    "LIMIT",
    "MARGIN",
    "always_fp32",
    "find_islands",
    "largest_values",
    "nodes_in_fp32",
]

# Sums of squares and of exponentials, and interpolated logits that differ by little.
FP32_OPERATORS = frozenset({
    "Cast", "LayerNormalization", "ReduceL2", "Softmax", "SegppResizeArgmax",
})  # fmt: skip
_MATCH = "SegppTokenMatch"
# What ranks windows compares their similarities.
_COMPARISONS = frozenset({"Equal", "Greater"})
_DECIDING = frozenset({_MATCH, *_COMPARISONS})

# Other pictures have other values: what grows eightfold from one to the next is rare, and leaves
# room for sums that an engine accumulates in halves.
MARGIN = 8.0
_FP32_MAX = float(np.finfo(np.float32).max)
LIMIT = float(np.finfo(np.float16).max) / MARGIN
_PRODUCTS = frozenset({"Conv", "Gemm", "MatMul"})
_BLOCK = re.compile(r"stages\.(\d+)\.blocks\.(\d+)\.(.*)")


def always_fp32(graph: GraphProto) -> set[str]:
    """Return the names of the nodes that compute in FP32 whatever their range.

    Besides ``FP32_OPERATORS``, what normalises pixels before the first product, and what is made of
    tokens for matches alone: cosines near 1 are all the same in halves.
    """
    names = {node.name for node in graph.node if node.op_type in FP32_OPERATORS}
    names |= _only_for_matches(graph)
    for node in graph.node:
        if node.op_type in _PRODUCTS:
            break
        names.add(node.name)
    return names


def find_islands(model: ModelProto, largest: Mapping[str, float]) -> tuple[Island, ...]:
    """Return what must be FP32 in an FP16 file besides ``always_fp32``, in the graph's order.

    A value beyond ``LIMIT`` has both its sides in FP32: the node that computes it and those that
    read it. Of a score, what it is computed of is FP32 too, up to the products that make queries
    and keys of tokens: of so large a number the last digit of a half is whole units, which a
    softmax turns into factors.

    Args:
        model: Clean, in FP32.
        largest: The largest magnitude of each value, as ``largest_values`` gives it.
    """
    graph = model.graph
    taken = always_fp32(graph)
    makers = {name: node for node in graph.node for name in node.output}
    weights = _large_weights(graph)
    islands = []
    for name in [*(name for node in graph.node for name in node.output), *weights]:
        value, limit = weights.get(name, largest.get(name, 0.0)), LIMIT
        if name in weights:
            limit = LIMIT * MARGIN
        # `not <=` is true for NaN as well.
        if not value <= limit:
            nodes = [node.name for node in _around(graph, name, makers) if node.name not in taken]
            taken.update(nodes)
            # A manifest holds numbers only.
            largest_told = min(value, _FP32_MAX)
            place = _place_of(graph, name)
            islands += [Island(name, largest_told, limit, tuple(nodes), place)] if nodes else []
    return tuple(islands)


def largest_values(model: ModelProto, image: NDArray[np.generic]) -> dict[str, float]:
    """Run the graph on one input tensor and return the largest magnitude of every float value.

    Each is reduced to two numbers where it is computed, so that memory does not grow.

    Args:
        model: Clean, in FP32.
        image: As its input takes it.
    """
    probed = ModelProto()
    probed.CopyFrom(model)
    graph = probed.graph
    floats = float_names(graph)
    names = [name for node in graph.node for name in node.output if name in floats]
    probes = [(f"probe_{index}_{kind}", name, kind) for index, name in enumerate(names)
              for kind in ("Max", "Min")]  # fmt: skip
    for output, name, kind in probes:
        graph.node.append(
            onnx.helper.make_node(f"Reduce{kind}", [name], [output], output, keepdims=0)
        )
        graph.output.append(onnx.helper.make_tensor_value_info(output, TensorProto.FLOAT, []))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = default_threads() or 0
    session = onnxruntime.InferenceSession(
        probed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = session.run([output for output, *_ in probes], {graph.input[0].name: image})
    extremes = [abs(float(value)) for value in found]
    return {
        # numpy's keeps a NaN, of whichever end it is.
        name: float(np.maximum(high, low))
        for name, high, low in zip(names, extremes[::2], extremes[1::2], strict=True)
    }


def _only_for_matches(graph: GraphProto) -> set[str]:
    """Return the nodes that only matches need, and these; others take tokens as they are."""
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    makers: set[str] = set()
    for node in reversed(graph.node):
        uses = [reader for name in node.output for reader in readers.get(name, ())]
        serves = [reader.op_type in _DECIDING or reader.name in makers for reader in uses]
        if node.op_type not in _DECIDING and serves and all(serves):
            makers.add(node.name)
    made = {name for node in graph.node if node.name in makers for name in node.output}
    return makers | {n.name for n in graph.node if n.op_type in _DECIDING and made & set(n.input)}


def _large_weights(graph: GraphProto) -> dict[str, float]:
    """Return the constants that have no number in FP16."""
    arrays = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT
    }
    largest = {name: float(np.abs(array).max()) for name, array in arrays.items() if array.size}
    return {name: value for name, value in largest.items() if not value <= LIMIT * MARGIN}


def _around(graph: GraphProto, name: str, makers: Mapping[str, NodeProto]) -> list[NodeProto]:
    """Return the nodes on both sides of a value; of a score, also those that it is made of."""
    readers = [node for node in graph.node if name in node.input]
    maker = makers.get(name)
    if any(node.op_type == "Softmax" for node in readers) and maker is not None:
        return [*_back_to_products(maker, makers), maker, *readers]
    return [*([maker] if maker is not None else []), *readers]


def _place_of(graph: GraphProto, value: str) -> str:
    """Return where in the network a value is, as the name of the last weight before it tells."""
    weights = {tensor.name for tensor in graph.initializer}
    names = (name for name in _upstream(graph, value) if name in weights)
    name = next((name for name in names if name.endswith((".weight", ".bias"))), "")
    module = name.rpartition(".")[0].removeprefix("network.").removeprefix("model.")
    found = _BLOCK.search(module)
    block = f"stage {int(found[1]) + 1} block {int(found[2]) + 1}, " if found else ""
    if any(node.op_type == "Softmax" and value in node.input for node in graph.node):
        return f"{block}attention scores"
    return block + (found[3] if found else module)


def _upstream(graph: GraphProto, value: str) -> Iterator[str]:
    """Yield a value and what it is made of, what is computed last first."""
    yield value
    needed = {value}
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            yield from node.input
            needed.update(node.input)


def _back_to_products(node: NodeProto, makers: Mapping[str, NodeProto]) -> list[NodeProto]:
    """Return what the inputs of a product of two activations are made of, its products included."""
    found: dict[str, NodeProto] = {}
    waiting = [makers[name] for name in node.input if name in makers]
    while waiting:
        one = waiting.pop()
        if one.name in found:
            continue
        found[one.name] = one
        if one.op_type not in _PRODUCTS:
            waiting += [makers[name] for name in one.input if name in makers]
    return list(found.values())


def nodes_in_fp32(graph: GraphProto, islands: Collection[Island]) -> set[str]:
    """Return the names of all nodes that compute in FP32."""
    return always_fp32(graph) | {name for island in islands for name in island.nodes}
