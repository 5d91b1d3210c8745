"""What is added to unmerged tokens joins their operator, where TensorRT has segpp's plugins.

An engine cannot join a sum with a plugin by itself: unmerged tokens would be written, and read
again by the sum. Elsewhere the two stay apart, since engines join the sum with the norm behind it.
"""

from collections import Counter
from collections.abc import Mapping

from onnx import GraphProto, NodeProto

from segpp import ops

__all__ = ["join_unmerge_add"]


def join_unmerge_add(graph: GraphProto) -> None:
    """Put SegppTokenUnmergeAdd in the place of each SegppTokenUnmerge that only a sum reads.

    Args:
        graph: In topological order, with all shapes known; changed in place.
    """
    shapes = {value.name: str(value.type) for value in (*graph.value_info, *graph.input)}
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(value.name for value in graph.output)
    alone = {
        node.output[0]: node
        for node in graph.node
        if node.op_type == "SegppTokenUnmerge" and uses[node.output[0]] == 1
    }
    for node in graph.node:
        if node.op_type == "Add" and (unmerged := _unmerged(node, alone, shapes)):
            _join(node, alone[unmerged])
            graph.node.remove(alone.pop(unmerged))
            _forget(graph, unmerged)


def _unmerged(
    node: NodeProto, alone: Mapping[str, NodeProto], shapes: Mapping[str, str]
) -> str | None:
    """Return which operand of a sum is unmerged, the other one being of its shape and type."""
    for one, other in (node.input, reversed(node.input)):
        # A constant or a bias has no value of this shape.
        if one in alone and shapes.get(one, one) == shapes.get(other):
            return str(one)
    return None


def _join(add: NodeProto, unmerge: NodeProto) -> None:
    [residual] = [name for name in add.input if name != unmerge.output[0]]
    add.op_type, add.domain = "SegppTokenUnmergeAdd", ops.DOMAIN
    add.input[:] = [*unmerge.input, residual]
    add.attribute.extend(unmerge.attribute)


def _forget(graph: GraphProto, name: str) -> None:
    for value in graph.value_info:
        if value.name == name:
            graph.value_info.remove(value)
            return
