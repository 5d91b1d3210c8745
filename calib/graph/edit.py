"""Copies of a network: weights multiplied for some of their takers, values also given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from segpp.calib.graph.wiring import array_of, replace_array

__all__ = ["Edit", "edited", "keeps_digits", "own_weight", "with_outputs"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Edit:
    """One weight times a factor.

    Attributes:
        node: The name of the node that takes it.
        index: Which of the node's inputs it is.
        factor: Broadcast against it.
    """

    node: str
    index: int
    factor: Floats


def edited(model: onnx.ModelProto, edits: Sequence[Edit]) -> onnx.ModelProto:
    """Return a copy of a model with weights multiplied; other takers of these keep theirs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    nodes = {node.name: node for node in copy.graph.node}
    for edit in edits:
        weight = own_weight(copy.graph, nodes[edit.node], edit.index)
        replace_array(weight, array_of(weight) * edit.factor)
    return copy


def keeps_digits(model: onnx.ModelProto, edits: Sequence[Edit]) -> bool:
    """Whether weights of their types hold every product; float16 has few small and large numbers.

    Of the smallest, digits may go that the largest weight of the tensor has not either.

    Args:
        model: That is to be edited.
        edits: By powers of two, which cost no digit in between.
    """
    names = {node.name: node.input for node in model.graph.node}
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    products: dict[tuple[str, int], NDArray[np.float64]] = {}
    for edit in edits:
        weight = weights[names[edit.node][edit.index]]
        before = products.get((edit.node, edit.index))
        given = array_of(weight).astype(np.float64) if before is None else before
        products[edit.node, edit.index] = given * edit.factor
    return all(
        _holds(weights[names[node][index]].data_type, product)
        for (node, index), product in products.items()
    )


def _holds(data_type: int, values: NDArray[np.float64]) -> bool:
    kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(data_type))
    with np.errstate(over="ignore"):
        lost = np.abs(values.astype(kind).astype(np.float64) - values)
    # Half a unit in the last place of the largest number, were it just above a power of two.
    return bool(lost.max() <= float(np.finfo(kind).eps) / 4 * np.abs(values).max())


def own_weight(graph: onnx.GraphProto, node: onnx.NodeProto, index: int) -> onnx.TensorProto:
    """Return the weight that a node takes, its own: one that others take as well is copied.

    The copy's name ends like the weight's, which tells where it came from.
    """
    name = node.input[index]
    weight: onnx.TensorProto = next(one for one in graph.initializer if one.name == name)
    takers = sum(list(other.input).count(name) for other in graph.node)
    if takers == 1 and all(output.name != name for output in graph.output):
        return weight
    own: onnx.TensorProto = graph.initializer.add()
    own.CopyFrom(weight)
    own.name = node.input[index] = f"{node.name}.{name}"
    return own


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return a copy of a model that also gives some of the values that it computes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {output.name for output in copy.graph.output}
    for name in dict.fromkeys(names):
        if name not in known:
            copy.graph.output.add().name = name
    return copy
