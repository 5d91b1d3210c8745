"""Who makes and who takes a value in an ONNX graph."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

__all__ = ["Wiring", "array_of", "bias_behind", "replace_array", "wiring_of"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Wiring:
    """The edges of one graph; it is as old as the call that made it.

    Attributes:
        initializers: By name.
        makers: The node that makes a value, by the value's name; inputs and weights have none.
    """

    initializers: dict[str, onnx.TensorProto]
    makers: dict[str, onnx.NodeProto]
    _users: dict[str, list[onnx.NodeProto]]

    def users(self, name: str) -> list[onnx.NodeProto]:
        """Return the nodes that take a value, in the order of the graph."""
        return self._users.get(name, [])


def wiring_of(graph: onnx.GraphProto) -> Wiring:
    """Return the edges of a graph."""
    users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in graph.node:
        for name in dict.fromkeys(node.input):
            users[name].append(node)
    return Wiring(
        initializers={tensor.name: tensor for tensor in graph.initializer},
        makers={name: node for node in graph.node for name in node.output},
        _users=dict(users),
    )


def bias_behind(tensor: str, channels: int, wiring: Wiring) -> tuple[onnx.NodeProto, int] | None:
    """Return the sum with a bias (channels,) that alone takes a tensor, and the bias's input."""
    users = wiring.users(tensor)
    if len(users) != 1 or users[0].op_type != "Add":
        return None
    for index, name in enumerate(users[0].input):
        constant = wiring.initializers.get(name)
        if constant is not None and list(constant.dims) == [channels]:
            return users[0], index
    return None


def array_of(tensor: onnx.TensorProto) -> Floats:
    """Return a weight as float32."""
    return numpy_helper.to_array(tensor).astype(np.float32)


def replace_array(tensor: onnx.TensorProto, values: NDArray[np.generic]) -> None:
    """Put other numbers of the same shape into a weight; it keeps its name and its type."""
    kept = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    tensor.CopyFrom(numpy_helper.from_array(values.astype(kept), tensor.name))
