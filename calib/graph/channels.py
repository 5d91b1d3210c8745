"""Where the channels of a tensor go: through reshapes and merging, up to the products they enter.

A tensor is followed as an array of the same shape that holds the number of each value's channel, so
that any reshape or transpose is followed by doing it. What mixes channels ends the way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from segpp.calib.graph.wiring import Wiring

__all__ = ["Follower", "Use"]

Numbers = NDArray[np.int32]

_PRODUCTS = ("Conv", "Gemm", "MatMul")
# Which input's rows they average or copy, each channel for itself: tokens in groups, and values in
# attention, by weights that know nothing of channels.
_VALUES = 2
_OF_ROWS = {
    "SegppTokenMerge": 0,
    "SegppTokenUnmerge": 0,
    "MatMul": 1,
    "MultiHeadAttention": _VALUES,
}


@dataclass(frozen=True)
class Use:
    """A weighted product at the end of the way.

    Attributes:
        node: The product.
        tensor: What it takes.
        channels: For each of its input channels the channel of the tensor that was followed.
    """

    node: onnx.NodeProto
    tensor: str
    channels: Numbers


@dataclass(frozen=True)
class Follower:
    """Follows tensors of one graph.

    Attributes:
        wiring: Of the graph.
        shapes: Of its tensors.
        outputs: Of the graph: what others see cannot be changed.
    """

    wiring: Wiring
    shapes: Mapping[str, tuple[int, ...]]
    outputs: frozenset[str]

    def channels_of(self, tensor: str, axis: int = -1) -> Numbers:
        """Return for every value of a tensor the number of its channel."""
        shape = self.shapes[tensor]
        axis %= len(shape)
        numbers = np.arange(shape[axis], dtype=np.int32)
        form = [-1 if i == axis else 1 for i in range(len(shape))]
        return np.broadcast_to(numbers.reshape(form), shape)

    def uses(self, tensor: str, numbers: Numbers) -> tuple[Use, ...] | None:
        """Return every product that a tensor enters, or None if it goes anywhere else as well."""
        users = self.wiring.users(tensor)
        if tensor in self.outputs or not users or numbers.shape != self.shapes.get(tensor):
            return None
        found: list[Use] = []
        for user in users:
            further = self._through(user, tensor, numbers)
            if further is None:
                return None
            found.extend(further)
        return tuple(found)

    def _through(
        self, node: onnx.NodeProto, tensor: str, numbers: Numbers
    ) -> tuple[Use, ...] | None:
        if list(node.input).count(tensor) != 1:
            return None
        if self._is_product(node):
            use = _use_of(node, tensor, numbers) if self._meets_channels_alike(node) else None
            return None if use is None else (use,)
        behind = self._behind(node, list(node.input).index(tensor), numbers)
        return None if behind is None else self.uses(node.output[0], behind)

    def _is_product(self, node: onnx.NodeProto) -> bool:
        constant = len(node.input) > 1 and node.input[1] in self.wiring.initializers
        return node.op_type in _PRODUCTS and node.domain in ("", "ai.onnx") and constant

    def _meets_channels_alike(self, node: onnx.NodeProto) -> bool:
        """Whether every weight meets every channel, or each its own: not groups of several."""
        groups = attributes_of(node).get("group", 1)
        return groups == 1 or tuple(self.wiring.initializers[node.input[1]].dims[:2]) == (groups, 1)

    def _behind(self, node: onnx.NodeProto, index: int, numbers: Numbers) -> Numbers | None:
        """Return the channel numbers behind a node; None where it mixes channels."""
        shape = self.shapes.get(node.output[0], ())
        if node.op_type == "Reshape":
            return numbers.reshape(shape) if index == 0 and shape and min(shape) > 0 else None
        if node.op_type == "Transpose":
            return np.transpose(numbers, attributes_of(node).get("perm"))
        # An attention with more inputs adds biases of its own, which would not be scaled.
        plain = node.op_type != "MultiHeadAttention" or not any(node.input[_VALUES + 1 :])
        return _of_rows(numbers, shape) if plain and _OF_ROWS.get(node.op_type) == index else None


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of a node by name."""
    return {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}


def _of_rows(numbers: Numbers, shape: tuple[int, ...]) -> Numbers | None:
    """Return channel numbers after rows (..., N, C) became others (..., M, C)."""
    first = numbers[..., :1, :]
    fits = len(shape) == numbers.ndim and (*shape[:-2], shape[-1]) == (
        *numbers.shape[:-2],
        numbers.shape[-1],
    )
    if not fits or not np.array_equal(np.broadcast_to(first, numbers.shape), numbers):
        return None
    return np.broadcast_to(first, shape)


def _use_of(node: onnx.NodeProto, tensor: str, numbers: Numbers) -> Use | None:
    """Return the product's input channels, if each is one channel at every place."""
    axis = 1 if node.op_type == "Conv" else numbers.ndim - 1
    attributes = attributes_of(node)
    if node.input[0] != tensor or attributes.get("transA"):
        return None
    first = numbers[tuple(slice(None) if i == axis else slice(1) for i in range(numbers.ndim))]
    if not np.array_equal(np.broadcast_to(first, numbers.shape), numbers):
        return None
    return Use(node, tensor, np.asarray(first).reshape(-1))
