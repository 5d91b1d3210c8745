"""Nodes of a function that its outputs do not need."""

from onnx import FunctionProto

__all__ = ["drop_unused"]


def drop_unused(function: FunctionProto) -> None:
    """Remove them, in place."""
    needed, kept = set(function.output), []
    for node in reversed(function.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    del function.node[:]
    function.node.extend(reversed(kept))
