"""Copies of a network: weights multiplied for some of their takers, values also given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from segpp.calib.graph.wiring import array_of, replace_array

__all__ = ["Edit", "edited", "own_weight", "with_outputs"]

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
